// What is seen of a run: figures, charts, tables, its plan and its events. Text comes in by textContent alone.
"use strict";
(() => {
  const hp = globalThis.hybridpress;
  const { element } = hp;
  const MOST_MARKS = 40;

  const times = [
    { key: "p50_ms", label: "p50", kind: "ms" },
    { key: "p90_ms", label: "p90", kind: "ms" },
    { key: "p99_ms", label: "p99", kind: "ms" },
    { key: "max_ms", label: "max", kind: "ms" },
  ];

  const TABLES = {
    parts: ["Parts of the mix", [
      { key: "name", label: "part", kind: "text" },
      { key: "started", label: "started", kind: "count" },
      { key: "completed", label: "completed", kind: "count" },
      { key: "failed", label: "failed", kind: "count", bad: "bad" },
      { key: "dropped", label: "dropped", kind: "count", bad: "warn" },
      { key: "p50_ms", label: "p50", kind: "ms" },
      { key: "p99_ms", label: "p99", kind: "ms" },
    ]],
    steps: ["Steps", [
      { key: "name", label: "step", kind: "text" },
      { key: "now", label: "now, a second", kind: "count" },
      { key: "count", label: "count", kind: "count" },
      { key: "failed", label: "failed", kind: "count", bad: "bad" },
      { key: "failed_pct", label: "failed, %", kind: "percent", bad: "bad" },
      ...times,
      { key: "in_per_s", label: "received", kind: "bytes" },
      { key: "out_per_s", label: "sent", kind: "bytes" },
    ]],
    checks: ["Checks", [
      { key: "name", label: "check", kind: "text" },
      { key: "passed", label: "held", kind: "count" },
      { key: "failed", label: "failed", kind: "count", bad: "bad" },
      { key: "passed_pct", label: "held, %", kind: "percent" },
    ]],
    errors: ["Errors", [
      { key: "kind", label: "kind", kind: "text" },
      { key: "message", label: "message", kind: "text" },
      { key: "count", label: "count", kind: "count" },
      { key: "example", label: "the first of them", kind: ({ example }) => element("span", { className: "hp-example", textContent: example }) },
    ]],
    workers: ["Workers", [
      { key: "id", label: "worker", kind: "count" },
      { key: "pid", label: "process", kind: "text" },
      { key: "started", label: "started", kind: "count" },
      { key: "cpu_pct", label: "CPU now, of a core", kind: "percent" },
      { key: "lag_ms", label: "loop lag p99", kind: "ms" },
      { key: "restarts", label: "restarts", kind: "count", bad: "warn" },
    ]],
  };

  /** A table that comes with its first row; it holds still while somebody is in it. */
  class LiveTable {
    constructor(main, name) {
      const [title, columns] = TABLES[name];
      this.section = hp.section(main, name, title);
      this.section.hidden = true;
      this.host = hp.card(this.section);
      this.table = hp.table(this.host, { caption: title, columns, rows: [] });
    }

    update(rows) {
      this.section.hidden = !rows.length;
      const selection = getSelection();
      const isRead = selection && !selection.isCollapsed && this.host.contains(selection.anchorNode);
      if (!isRead) this.table.update(rows);
    }
  }

  const share = (part, all) => (all ? Math.round((10000 * part) / all) / 100 : null);

  /** All views of one run in *main*. */
  hp.views = class {
    #page = null;
    #second = null;
    #status = null;
    #points = [];
    #events = [];
    #span = 1;
    #verdict = "";

    constructor(main) {
      this.main = main;
      const now = (this.now = hp.section(main, "now", "Now"));
      this.verdict = element("div");
      this.tiles = element("div");
      now.append(this.verdict, this.tiles);
      this.#buildCharts();
      const pair = hp.section(main, "plan", "Plan and events");
      const grid = element("div", { className: "hp-pair" });
      pair.append(grid);
      this.plan = hp.card(grid);
      this.log = element("ol", { className: "hp-events hp-log", reversed: true, tabIndex: 0, "aria-label": "events, the last one first" });
      hp.card(grid, element("h3", { textContent: "Events" }), this.log);
      this.tables = Object.fromEntries(["parts", "steps", "checks", "errors"].map((name) => [name, new LiveTable(main, name)]));
      this.generator = hp.section(main, "generator", "The load generator");
      const charts = element("div", { className: "hp-grid" });
      this.generator.append(charts);
      this.overTime.push(hp.cpu(charts, { group: this.group, height: 200 }), hp.lag(charts, { group: this.group, height: 200 }));
      this.tables.workers = new LiveTable(this.generator, "workers");
      this.settings = hp.card(hp.section(main, "settings", "Settings"));
    }

    #buildCharts() {
      const grid = element("div", { className: "hp-grid" });
      hp.section(this.main, "over-time", "Over time").append(grid);
      const group = (this.group = hp.group());
      const waiting = "nothing was measured yet";
      this.overTime = [hp.throughput(grid, { group, empty: waiting }), hp.latency(grid, { group, empty: waiting })];
      this.heat = hp.heat(grid, { group, height: 260, empty: waiting });
      this.overTime.push(hp.errors(grid, { group, height: 260, empty: "no errors" }), hp.concurrency(grid, { group, empty: waiting }));
      this.curve = hp.curve(grid, { height: 240, title: "Response time by percentile, so far", empty: waiting });
    }

    /** The run's facts, when they come, and what state it is in. */
    page(page) {
      const before = JSON.stringify(this.#page?.run?.facts);
      this.#page = page;
      const { run } = page;
      if (JSON.stringify(run.facts) !== before) this.#showPlan(run);
      this.now.querySelector("h2").textContent = run.state === "over" ? "The whole run" : "Now";
      this.#showVerdict();
      this.#showTiles();
      this.#markStage();
    }

    history({ span_s: span, points }) {
      this.#span = span;
      this.#points = points;
      this.#drawOverTime();
    }

    second(second) {
      this.#second = second;
      const { point } = second;
      const last = this.#points.at(-1);
      if (last && last.at_s === point.at_s) this.#points[this.#points.length - 1] = point;
      else if (!last || point.at_s > last.at_s) this.#points.push(point);
      this.#drawOverTime();
      this.curve.update(second.curve);
      this.#fillTables();
      this.#showTiles();
      this.#showVerdict();
    }

    status(status) {
      this.#status = status;
      this.#showTiles();
      this.#markStage();
    }

    events(events) {
      this.#events = events;
      this.log.replaceChildren(...(events.length ? [...events].reverse().map((event) => this.#row(event)) : [element("li", { className: "hp-note", textContent: "none so far" })]));
    }

    event(event) {
      if (!this.#events.length) this.log.replaceChildren();
      this.#events.push(event);
      this.log.prepend(this.#row(event));
    }

    #row({ at_s: at, text }) {
      return element("li", {}, element("b", { textContent: hp.moment(at) }), ` ${text}`);
    }

    #drawOverTime() {
      const data = { seconds: hp.columns(this.#points), events: this.#events.slice(-MOST_MARKS) };
      for (const chart of this.overTime) chart.update(data);
      this.heat.update({ x: this.#points.map(({ at_s: at }) => at), bins: this.#points.map(({ bins }) => bins), span_s: this.#span });
    }

    #fillTables() {
      const { steps, checks, errors, parts, workers } = this.#second;
      const lasted = Math.max(this.#status?.elapsed_s ?? 0, 1);
      this.tables.steps.update(steps.map((step) => ({ ...step, failed_pct: share(step.failed, step.count), in_per_s: step.bytes_in / lasted, out_per_s: step.bytes_out / lasted })));
      this.tables.checks.update(checks.map((check) => ({ ...check, passed_pct: share(check.passed, check.passed + check.failed) })));
      this.tables.errors.update(errors);
      this.tables.parts.update(parts);
      this.tables.workers.update(workers.map((worker) => ({ ...worker, pid: String(worker.pid) })));
    }

    #showTiles() {
      const { point, total } = this.#second ?? {};
      const status = this.#status ?? {};
      const isOver = this.#page?.run.state === "over";
      const result = isOver ? this.#page.run.result : null;
      const asked = status.qps === null ? "unpaced" : `of ${hp.count(Math.round((status.qps ?? 0) * 10) / 10)}/s asked`;
      const ended = total ? total.completed + total.failed : 0;
      const tiles = [
        result
          ? { label: "QPS", value: `${hp.count(Math.round(result.qps.achieved * 10) / 10)}/s`, note: result.qps.target === null ? "unpaced" : `of ${hp.count(Math.round(result.qps.target * 10) / 10)}/s asked` }
          : { label: "QPS", value: point ? `${hp.count(Math.round(point.started))}/s` : "–", note: status.qps === undefined ? "" : asked },
        { label: "iterations started", value: hp.count(status.started), note: total ? `${hp.count(total.completed)} completed` : "" },
        { label: "in flight", value: hp.count(status.in_flight), note: status.slots === undefined ? "" : `of ${hp.count(status.slots)} slots${status.backlog ? `, ${hp.count(status.backlog)} wait` : ""}` },
        { label: "response time p50", value: hp.ms(result ? total?.p50_ms : point?.p50_ms), note: total && !result ? `${hp.ms(total.p50_ms)} over the run` : "" },
        { label: "response time p99", value: hp.ms(result ? total?.p99_ms : point?.p99_ms), note: total ? (result ? `max ${hp.ms(total.max_ms)}` : `${hp.ms(total.p99_ms)} over the run`) : "" },
        { label: "failed", value: hp.percent(share(total?.failed ?? 0, ended)), note: total ? `${hp.count(total.failed)} iterations` : "", tone: total?.failed ? "hp-bad" : "" },
        ...(total?.dropped ? [{ label: "dropped", value: hp.count(total.dropped), note: "due, and never started", tone: "hp-warn" }] : []),
      ];
      this.tiles.replaceChildren();
      hp.tiles(this.tiles, tiles);
    }

    #showVerdict() {
      const said = this.#page?.run.result ?? this.#second;
      if (!said) return;
      const key = JSON.stringify([said.verdict, said.reasons]);
      if (key === this.#verdict) return;
      this.#verdict = key;
      this.verdict.replaceChildren(hp.verdict({ verdict: said.verdict, reasons: said.reasons }));
    }

    #showPlan({ facts, command }) {
      this.stages = [];
      const parts = [element("h3", { textContent: "Plan" })];
      if (facts) {
        parts.push(element("p", { className: "hp-load", textContent: facts.load }));
        this.stages = facts.stages.map(({ text, ends_s: end }) => ({ end, row: element("li", { textContent: text }) }));
        if (this.stages.length > 1) parts.push(element("ol", { className: "hp-events hp-stages" }, ...this.stages.map(({ row }) => row)));
        const told = (value) => (Array.isArray(value) ? value.join(", ") : typeof value === "object" ? JSON.stringify(value) : String(value));
        this.settings.replaceChildren();
        hp.facts(this.settings, [{ title: facts.scenario, rows: Object.entries(facts.settings).map(([name, value]) => [`--${name.replaceAll("_", "-")}`, told(value)]) }]);
      }
      if (command) parts.push(element("p", { className: "hp-command" }, "The same from a terminal: ", element("code", { textContent: command })));
      this.plan.replaceChildren(...parts);
    }

    /** The stage that goes on now; unknown once somebody has changed the plan. */
    #markStage() {
      const isChanged = this.#events.some(({ kind }) => kind === "control");
      const isUnderWay = this.#page?.run.state === "pressing" && !isChanged;
      const now = isUnderWay ? this.stages?.find(({ end }) => end === null || (this.#status?.elapsed_s ?? 0) < end) : null;
      for (const stage of this.stages ?? []) {
        if (stage === now) stage.row.setAttribute("aria-current", "step");
        else stage.row.removeAttribute("aria-current");
      }
    }
  };
})();
