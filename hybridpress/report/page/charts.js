// Our charts, one function for each; the report and the live page draw the same ones.
//
//   const group = hybridpress.group();                       // charts that share cursor and zoom
//   const chart = hybridpress.throughput(element, { group }); // draws itself into the element, as wide as that is
//   chart.update(data);                                       // show this from now on; call it as often as you like
//
// *data* of all charts over time is one object, { seconds, events }: `seconds` has a list for each field of the result's
// `intervals` (hybridpress.columns(rows) makes it of rows), `events` is the result's list, or is left out. Of that each
// chart takes what it needs, so that one object feeds them all:
//
//   throughput   at_s, started, completed, target_qps, dropped      latency   at_s, p50_ms, p90_ms, p99_ms, max_ms
//   concurrency  at_s, in_flight                                    errors    at_s, failed, dropped, errors ({kind: n} a second)
//   cpu          at_s, cpu_pct                                      lag       at_s, loop_lag_p99_ms, lateness_p99_ms
//
// heat takes { x, bins, span_s } (see shapes.js; report/page/data.py makes them of histograms), curve a list
// of { label, points: [[percent, ms], …] }. A second is a number of its list; what was not measured is null.
"use strict";
(() => {
  const hp = globalThis.hybridpress;

  /** Lists for each field of *rows*, which are intervals as the result's file has them. */
  hp.columns = (rows) => {
    const found = {};
    rows.forEach((row, k) => {
      for (const [name, value] of Object.entries(row)) (found[name] ??= Array(k).fill(null)).push(value);
      for (const list of Object.values(found)) if (list.length <= k) list.push(null);
    });
    return found;
  };

  const marks = (events) => (events ?? []).map(({ at_s: x, text }) => ({ x, text }));

  /** A chart over time; *pick* makes of { seconds, events } its series, of which those with nothing in them are left out. */
  const overTime = (host, options, pick, own = {}) => {
    const chart = new hp.Lines(host, { x: "time", ...own, ...options });
    const update = chart.update.bind(chart);
    chart.update = (data) => {
      const x = data.seconds.at_s ?? [];
      const series = pick(data.seconds, x).filter(({ y }) => y && y.some((value) => value !== null && value !== undefined));
      update({ series: series.map((one) => ({ x, ...one })), marks: marks(data.events) });
    };
    return chart;
  };

  const MOST_KINDS = 5;
  const isAnyAboveZero = (list) => (list ?? []).some((value) => value > 0);

  /** Iterations planned, started and completed a second. */
  hp.throughput = (host, options = {}) =>
    overTime(host, options, (seconds) => [
      { label: "completed", y: seconds.completed, colour: 2, style: "area" },
      { label: "started", y: seconds.started, colour: 0 },
      { label: "planned", y: seconds.target_qps, colour: 5, style: "dash" },
      ...(isAnyAboveZero(seconds.dropped) ? [{ label: "dropped", y: seconds.dropped, colour: 3 }] : []),
    ], { title: "QPS", y: { label: "iterations a second", unit: "count" } });

  /** Percentiles of the response time, second by second. */
  hp.latency = (host, options = {}) =>
    overTime(host, options, (seconds) => [
      { label: "max", y: seconds.max_ms, colour: 5, style: "dot" },
      { label: "p99", y: seconds.p99_ms, colour: 1 },
      { label: "p90", y: seconds.p90_ms, colour: 4 },
      { label: "p50", y: seconds.p50_ms, colour: 0 },
    ], { title: "Response time over time", y: { label: "response time", unit: "ms", log: "auto" } });

  /** Iterations in flight at the end of each second. */
  hp.concurrency = (host, options = {}) =>
    overTime(host, options, (seconds) => [{ label: "in flight", y: seconds.in_flight, colour: 0, style: "area" }],
      { title: "In flight", y: { label: "iterations in flight", unit: "count" } });

  /** Failed iterations a second, by the kind of error where that is known, and dropped ones. */
  hp.errors = (host, options = {}) =>
    overTime(host, options, (seconds, x) => {
      const kinds = new Map();
      (seconds.errors ?? []).forEach((counts, k) => {
        for (const [kind, count] of Object.entries(counts ?? {})) {
          if (!kinds.has(kind)) kinds.set(kind, Array(x.length).fill(0));
          kinds.get(kind)[k] = count;
        }
      });
      const sum = (list) => list.reduce((all, value) => all + value, 0);
      const byCount = [...kinds].sort((a, b) => sum(b[1]) - sum(a[1]));
      const rest = byCount.splice(MOST_KINDS);
      if (rest.length) byCount.push([`${rest.length} other kinds`, x.map((_, k) => rest.reduce((all, [, y]) => all + y[k], 0))]);
      const found = byCount.map(([kind, y], k) => ({ label: kind, y, colour: [1, 4, 3, 6, 0, 2, 7][k % 7], style: "bar" }));
      if (isAnyAboveZero(seconds.failed)) {
        found.push({ label: "failed iterations", y: seconds.failed, colour: found.length ? 7 : 1, style: found.length ? "dot" : "bar" });
      }
      if (isAnyAboveZero(seconds.dropped)) found.push({ label: "dropped", y: seconds.dropped, colour: 3, style: "dash" });
      return found;
    }, { title: "Errors over time", y: { label: "errors a second", unit: "count" }, empty: "no errors" });

  /** CPU of the workers, the mean over them. */
  hp.cpu = (host, options = {}) =>
    overTime(host, options, (seconds) => [{ label: "CPU of a worker (mean)", y: seconds.cpu_pct, colour: 3, style: "area" }],
      { title: "Workers' CPU", y: { label: "of one core", unit: "percent" } });

  /** What the generator itself was late by. */
  hp.lag = (host, options = {}) =>
    overTime(host, options, (seconds) => [
      { label: "lateness p99", y: seconds.lateness_p99_ms, colour: 1 },
      { label: "event loop lag p99", y: seconds.loop_lag_p99_ms, colour: 0 },
    ], { title: "Workers' lateness and loop lag", y: { label: "late by", unit: "ms", log: "auto" } });

  /** Where the response times of each second lay. */
  hp.heat = (host, options = {}) =>
    new hp.Heat(host, { title: "Response times, second by second", x: "time", y: { label: "response time", unit: "ms" }, ...options });

  /** Times by percentile, on an axis that gives each further nine as much room as the one before. */
  hp.curve = (host, options = {}) => {
    const chart = new hp.Lines(host, { title: "Percentiles", x: "percent", y: { label: "time", unit: "ms", log: "auto" }, height: 280, ...options });
    const update = chart.update.bind(chart);
    chart.update = (curves) =>
      update({
        series: curves.map(({ label, points, ...rest }) => ({ label, x: points.map(([percent]) => hp.nines(percent)), y: points.map(([, ms]) => ms), ...rest })),
      });
    return chart;
  };

  /** The same field of several runs over time: { runs: [{ label, seconds }] }. *field* is a list of `seconds`. */
  hp.overlay = (host, field, options = {}) => {
    const chart = new hp.Lines(host, { x: "time", ...options });
    const update = chart.update.bind(chart);
    chart.update = ({ runs }) =>
      update({ series: runs.map(({ label, seconds }, k) => ({ label, x: seconds.at_s, y: seconds[field] ?? [], colour: [0, 1, 2, 3, 4, 6, 5, 7][k % 8] })) });
    return chart;
  };
})();
