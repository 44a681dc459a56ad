// What k6 runs: one function an iteration, by the kind of case. Bodies that nobody reads are discarded.
import http from 'k6/http';
import { check } from 'k6';

const kind = __ENV.PEER_KIND;
const url = __ENV.PEER_URL;
const value = JSON.parse(open(__ENV.PEER_BODY_FILE));
const rate = Number(__ENV.PEER_RATE);
const connections = Number(__ENV.PEER_CONNECTIONS);
const duration = `${__ENV.PEER_SECONDS}s`;
const asJson = { headers: { 'Content-Type': 'application/json' } };

export const options = {
  scenarios: {
    all: rate
      ? {
          executor: 'constant-arrival-rate',
          rate,
          timeUnit: '1s',
          duration,
          preAllocatedVUs: connections,
          maxVUs: connections,
        }
      : { executor: 'constant-vus', vus: connections, duration },
  },
  discardResponseBodies: kind !== 'json',
  summaryTrendStats: ['med', 'p(99)'],
};

const iterations = {
  get: () => http.get(url),
  json: () => check(http.get(url), { 'the total is right': (reply) => reply.json().total === 16 }),
  post: () => http.post(url, JSON.stringify(value), asJson),
};

export default iterations[kind];
