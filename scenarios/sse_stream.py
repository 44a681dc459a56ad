"""Read server-sent events as they come, and check each.

    hybridpress target &
    hybridpress run scenarios/sse_stream.py --host http://127.0.0.1:8080 --qps 100 --duration 10s

`--param events=100` asks for so many events in each stream.
"""

import json

from hybridpress import Press, check


class SseStream(Press):
    host = "http://127.0.0.1:8080"

    async def press(self) -> None:
        n_wanted = int(self.params.get("events", 10))
        n_came = 0
        async for event in self.http.stream("/events/{n}", n=n_wanted):
            check(json.loads(event.data)["n"] == n_came, "events come in order")
            n_came += 1
        check(n_came == n_wanted, "every event came")


if __name__ == "__main__":
    SseStream(qps=100, concurrent=10, duration="10s").run()
