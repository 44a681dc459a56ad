// Several runs beside one another, built of the data that the document carries.
"use strict";
(() => {
  const hp = globalThis.hybridpress;
  const { element } = hp;
  const data = hp.dataOf("report-data");
  const main = document.querySelector("main");

  document.querySelector("header h1").textContent = data.title;
  document.querySelector("header p").textContent = `${data.runs.map(({ label }) => label).join("  ·  ")}  ·  hybridpress ${data.version}`;
  document.querySelector("header .hp-tools").append(hp.themeSwitch());

  if (data.findings.length) {
    const list = element("ul", { className: "hp-events" }, ...data.findings.map((text) => element("li", { textContent: text })));
    hp.card(hp.section(main, "findings", "What changed"), list);
  }

  const runs = hp.section(main, "runs", "Runs");
  hp.table(hp.card(runs), {
    caption: "Runs",
    columns: [
      { key: "label", label: "run", kind: "text" },
      { key: "verdict", label: "verdict", kind: ({ verdict }) => element("b", { className: hp.toneOf(verdict), textContent: verdict }) },
      { key: "qps", label: "QPS", kind: "count" },
      { key: "target", label: "planned", kind: "count" },
      { key: "completed", label: "completed", kind: "count" },
      { key: "failed_pct", label: "failed", kind: "percent", bad: "bad" },
      ...hp.times.filter(({ key }) => !["p95", "mean"].includes(key)),
      { key: "lasted", label: "lasted", kind: "text" },
      { key: "began", label: "began", kind: "text" },
    ],
    rows: data.runs.map(({ row }) => ({ ...row, lasted: hp.span(row.duration_s), began: hp.when(row.started_at).replaceAll(" ", "\u00a0") })),
  });

  const curves = hp.section(main, "percentiles", "Response time by percentile");
  const wide = element("div", { className: "hp-wide" });
  curves.append(wide);
  hp.curve(wide, { title: "Response time by percentile", height: 340 }).update(data.runs.map(({ label, points }, k) => ({ label, points, colour: [0, 1, 2, 3, 4, 6, 5, 7][k % 8] })));

  const time = hp.section(main, "over-time", "Over time");
  const grid = element("div", { className: "hp-grid" });
  time.append(grid);
  const group = hp.group();
  for (const [field, title, y] of [
    ["started", "QPS", { label: "iterations started a second", unit: "count" }],
    ["failed", "Failed", { label: "failed iterations a second", unit: "count" }],
    ["p50_ms", "p50", { label: "response time p50", unit: "ms", log: "auto" }],
    ["p99_ms", "p99", { label: "response time p99", unit: "ms", log: "auto" }],
  ]) {
    hp.overlay(grid, field, { title, y, group }).update(data);
  }

  hp.listed(main, "steps", "Steps", [
    { key: "name", label: "step", kind: "text" },
    { key: "label", label: "run", kind: "text" },
    { key: "count", label: "count", kind: "count" },
    { key: "failed_pct", label: "failed", kind: "percent", bad: "bad" },
    ...hp.times,
  ], data.steps);
  hp.listed(main, "settings", "Settings that differ", [{ key: "name", label: "setting", kind: "text" }, ...data.runs.map(({ label }, k) => ({ key: `v${k}`, label, kind: "text" }))], data.differing);
  hp.contents(document.querySelector("nav > div"), main);
})();
