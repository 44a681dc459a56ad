// The report of one run, built of the data that the document carries.
"use strict";
(() => {
  const hp = globalThis.hybridpress;
  const { element } = hp;
  const data = hp.dataOf("report-data");
  const main = document.querySelector("main");
  const { iterations, qps } = data;

  const head = () => {
    const { title, scenario, started_at: startedAt, duration_s: lasted, version } = data;
    document.querySelector("header h1").textContent = title;
    document.querySelector("header p").textContent = [scenario, hp.when(startedAt), `${hp.span(lasted)} of load`, `hybridpress ${version}`].join("  ·  ");
    document.querySelector("header .hp-tools").append(hp.themeSwitch());
  };

  const share = (part, all) => (all ? `${hp.percent((100 * part) / all)}` : "–");

  const summary = () => {
    const host = hp.section(main, "summary", "Summary");
    host.append(hp.verdict(data.generator));
    if (data.thresholds.length) {
      const failed = data.thresholds.filter(({ passed }) => !passed).length;
      hp.table(hp.card(host, element("h3", { className: failed ? "hp-bad" : "hp-good", textContent: failed ? `${failed} of ${data.thresholds.length} thresholds failed` : `all ${data.thresholds.length} thresholds held` })), {
        caption: "Thresholds",
        columns: [
          { key: "expression", label: "threshold", kind: "text" },
          { key: "told", label: "measured", kind: "text" },
          { key: "passed", label: "held", kind: ({ passed }) => element("b", { className: passed ? "hp-good" : "hp-bad", textContent: passed ? "✓ held" : "✗ failed" }) },
        ],
        rows: data.thresholds,
      });
    }
    const times = data.times[0];
    const off = qps.error_pct === null ? "unpaced" : `of ${hp.count(qps.target)}/s planned, ${qps.error_pct > 0 ? "+" : ""}${(Math.round(qps.error_pct * 100) / 100 + 0).toFixed(2)}\u00a0%`;
    hp.tiles(host, [
      { label: "QPS", value: `${hp.count(Math.round(qps.achieved * 10) / 10)}/s`, note: off },
      { label: "iterations started", value: hp.count(iterations.started), note: iterations.planned === null ? `${hp.count(iterations.completed)} completed` : `of ${hp.count(iterations.planned)} planned` },
      { label: "failed", value: share(iterations.failed, iterations.completed + iterations.failed), note: `${hp.count(iterations.failed)} iterations`, tone: iterations.failed ? "hp-bad" : "" },
      ...(iterations.dropped ? [{ label: "dropped", value: hp.count(iterations.dropped), note: "due, and never started", tone: "hp-warn" }] : []),
      { label: "response time, p50", value: hp.ms(times.p50), note: `mean ${hp.ms(times.mean)}` },
      { label: "response time, p99", value: hp.ms(times.p99), note: `p99.9 ${hp.ms(times["p99.9"])}` },
      { label: "longest", value: hp.ms(times.max), note: "response time" },
    ]);
    if (data.events.length) {
      const list = data.events.map(({ at_s: at, text }) => element("li", {}, element("b", { textContent: hp.moment(at) }), ` ${text}`));
      hp.card(host, element("h3", { textContent: "Events" }), element("ul", { className: "hp-events" }, ...list));
    }
  };

  const overTime = () => {
    const host = hp.section(main, "over-time", "Over time");
    const grid = element("div", { className: "hp-grid" });
    host.append(grid);
    const group = hp.group();
    const draw = (chart) => chart.update(data);
    draw(hp.throughput(grid, { group }));
    draw(hp.latency(grid, { group }));
    if (data.heat) hp.heat(grid, { group, height: 280 }).update(data.heat);
    draw(hp.errors(grid, { group, height: data.heat ? 280 : 240 }));
    draw(hp.concurrency(grid, { group }));
    if (data.each_s > 1) host.append(element("p", { className: "hp-note", textContent: `Each point is ${data.each_s} s: rates are their mean, percentiles those of all of their iterations.` }));
  };

  const distribution = () => {
    const host = hp.section(main, "times", "Times");
    hp.table(hp.card(host), {
      caption: "Times",
      columns: [{ key: "name", label: "time", kind: "text" }, ...hp.times, { key: "stddev", label: "deviation", kind: "ms" }],
      rows: data.times,
    });
    const wide = element("div", { className: "hp-wide" });
    host.append(wide);
    hp.curve(wide, { note: "Response time counts from the moment at which an iteration was due; service time from its start." }).update(data.curves);
  };

  const details = () => {
    hp.listed(main, "parts", "Parts of the mix", [
      { key: "name", label: "part", kind: "text" },
      { key: "started", label: "started", kind: "count" },
      { key: "share_pct", label: "share", kind: "percent" },
      { key: "failed", label: "failed", kind: "count", bad: "bad" },
      { key: "dropped", label: "dropped", kind: "count", bad: "warn" },
      ...hp.times,
    ], data.parts);
    hp.listed(main, "steps", "Steps", [
      { key: "name", label: "step", kind: "text" },
      { key: "count", label: "count", kind: "count" },
      { key: "failed", label: "failed", kind: "count", bad: "bad" },
      { key: "failed_pct", label: "failed, %", kind: "percent", bad: "bad" },
      ...hp.times,
      { key: "in_per_s", label: "received", kind: "bytes" },
      { key: "out_per_s", label: "sent", kind: "bytes" },
    ], data.steps);
    hp.listed(main, "checks", "Checks", [
      { key: "name", label: "check", kind: "text" },
      { key: "passed", label: "held", kind: "count" },
      { key: "failed", label: "failed", kind: "count", bad: "bad" },
      { key: "passed_pct", label: "held, %", kind: "percent" },
    ], data.checks);
    const example = (row) =>
      row.example ? element("details", {}, element("summary", { textContent: row.message || "example" }), element("pre", { textContent: row.example })) : element("span", { textContent: row.message || "–" });
    hp.listed(main, "errors", "Errors", [
      { key: "kind", label: "kind", kind: "text" },
      { key: "message", label: "message, with an example", kind: example },
      { key: "count", label: "count", kind: "count" },
      { key: "share_pct", label: "of all errors", kind: "percent" },
      { key: "first_at_s", label: "first at", kind: "moment" },
    ], data.errors);
    if (data.search) {
      const found = data.search.qps === null ? "no rate" : `${hp.count(data.search.qps)}/s`;
      hp.table(hp.card(hp.section(main, "search", "Search"), element("p", {}, element("b", { textContent: `Highest QPS that keeps ${data.search.objectives.join(", ")}: ${found}` }), element("br"), `${data.search.limit}: ${data.search.reason}`)), {
        caption: "Steps of the search",
        columns: [
          { key: "qps", label: "tried, a second", kind: "count" },
          { key: "started", label: "started, a second", kind: "count" },
          { key: "p50", label: "p50", kind: "ms" },
          { key: "p99", label: "p99", kind: "ms" },
          { key: "failed_pct", label: "failed", kind: "percent" },
          { key: "outcome", label: "outcome", kind: "text" },
          { key: "why", label: "why", kind: "text" },
        ],
        rows: data.search.steps,
      });
    }
  };

  const generator = () => {
    const host = hp.section(main, "generator", "The load generator");
    const grid = element("div", { className: "hp-grid" });
    const group = hp.group();
    if (data.seconds.cpu_pct || data.seconds.loop_lag_p99_ms) {
      host.append(grid);
      hp.cpu(grid, { group, height: 200 }).update(data);
      hp.lag(grid, { group, height: 200 }).update(data);
    }
    if (data.nodes.length) {
      hp.table(hp.card(host), {
        caption: "Nodes",
        columns: [
          { key: "id", label: "node", kind: "text" },
          { key: "address", label: "address", kind: "text" },
          { key: "workers", label: "workers", kind: "count" },
          { key: "started", label: "started", kind: "count" },
          { key: "failed", label: "failed", kind: "count", bad: "bad" },
          { key: "lost", label: "lost", kind: "count", bad: "bad" },
          { key: "cpu_pct", label: "CPU, of a core", kind: "percent" },
          { key: "clock_unsure_ms", label: "clock ±", kind: "ms" },
          { key: "verdict", label: "verdict", kind: "text" },
        ],
        rows: data.nodes,
      });
    }
    hp.table(hp.card(host), {
      caption: "Workers",
      columns: [
        { key: "id", label: "worker", kind: "text" },
        { key: "pid", label: "process", kind: "text" },
        { key: "started", label: "started", kind: "count" },
        { key: "cpu_pct", label: "CPU, of a core", kind: "percent" },
        { key: "lag_p99", label: "loop lag p99", kind: "ms" },
        { key: "lag_max", label: "loop lag max", kind: "ms" },
        { key: "restarts", label: "restarts", kind: "count", bad: "warn" },
      ],
      rows: data.workers,
    });
    if (data.cpu_tier.length) hp.facts(hp.card(host), [{ title: "prepare() and verify()", rows: data.cpu_tier }]);
  };

  head();
  summary();
  overTime();
  distribution();
  details();
  generator();
  hp.facts(hp.card(hp.section(main, "settings", "Settings and versions")), data.settings);
  hp.contents(document.querySelector("nav > div"), main);
})();
