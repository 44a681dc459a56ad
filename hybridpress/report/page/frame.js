// The frame of every chart: title, legend, axes, cursor, zoom and the table behind it. A chart paints inside of it.
//
// Text comes in by textContent alone, and colours from CSS (charts.css), so that light, dark and print need no script.
// Without a mouse: a plot takes the focus; arrows move the cursor, + and − zoom, Escape shows all; what stands at the
// cursor is read out. Charts of one group (hybridpress.group()) share cursor and zoom.
"use strict";
(() => {
  const hp = globalThis.hybridpress;
  const SVG = "http://www.w3.org/2000/svg";
  const MOST_TABLE_ROWS = 400;
  const COLOURS = 8;
  let nextId = 0;

  /** An element with properties; *children* are elements or text. */
  hp.element = (name, properties = {}, ...children) => {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(properties)) {
      if (key in made && key !== "list" && key !== "role") made[key] = value;
      else made.setAttribute(key, value);
    }
    made.append(...children);
    return made;
  };

  hp.svg = (name, attributes = {}, ...children) => {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  };

  /** What charts of the same time share: the span that is shown (null: all), and where the cursor is (null: nowhere). */
  hp.group = () => ({ zoom: null, cursor: null, frames: new Set() });

  const NICE_S = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400];

  const niceStep = (span, most) => {
    const rough = span / Math.max(most, 1);
    const power = 10 ** Math.floor(Math.log10(rough));
    return power * ([1, 2, 2.5, 5, 10].find((factor) => factor * power >= rough * 0.999) ?? 10);
  };

  /** Round values from *low* to *high*, at most about *most*. */
  const linearTicks = (low, high, most) => {
    const step = niceStep(high - low || 1, most);
    const ticks = [];
    for (let k = Math.ceil(low / step - 1e-9); k * step <= high + step * 1e-9; k += 1) {
      ticks.push(Number((k * step).toPrecision(12)));
    }
    return ticks;
  };

  const timeTicks = (low, high, most) => {
    const step = NICE_S.find((nice) => (high - low) / nice <= most) ?? niceStep(high - low, most);
    if (high - low < 1) return linearTicks(low, high, most);
    const ticks = [];
    for (let at = Math.ceil(low / step) * step; at <= high + 1e-9; at += step) ticks.push(at + 0); // -0 + 0 is 0
    return ticks;
  };

  const logTicks = (low, high, most) => {
    const decades = Math.log10(high / low);
    const factors = decades * 3 <= most ? [1, 2, 5] : [1];
    const every = factors.length > 1 ? 1 : Math.max(Math.ceil(decades / most), 1);
    const ticks = [];
    for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power += 1) {
      if (power % every !== 0) continue;
      for (const factor of factors) {
        const tick = Number(`${factor}e${power}`);
        if (tick >= low * 0.999 && tick <= high * 1.001) ticks.push(tick);
      }
    }
    return ticks;
  };

  /** The position of a share of all on the axis of percentiles: 0 → 0, 90 → 1, 99 → 2, 99.9 → 3. */
  hp.nines = (percent) => -Math.log10(Math.max(1 - percent / 100, 1e-7));
  const PERCENTS = [0, 50, 90, 99, 99.9, 99.99, 99.999, 99.9999];

  /** Axes along the bottom, by name: ticks, and how a value is told. */
  const X_AXES = {
    time: { label: "time since the start", ticks: timeTicks, tick: hp.moment, told: (x) => `at ${hp.moment(x)}` },
    percent: {
      label: "share of iterations that took no longer, %",
      ticks: (low, high) => PERCENTS.map(hp.nines).filter((at) => at >= low - 1e-9 && at <= high + 1e-9),
      tick: (at) => `${Number((100 * (1 - 10 ** -at)).toFixed(4))}`,
      told: (at) => `${Number((100 * (1 - 10 ** -at)).toFixed(5))} % took no longer than`,
    },
  };

  /** Units up the side, by name. For times the one that fits what is shown. */
  const UNITS = {
    count: { told: hp.count, of: () => ({ unit: "", factor: 1 }) },
    percent: { told: hp.percent, of: () => ({ unit: "%", factor: 1 }) },
    ms: {
      told: hp.ms,
      of: (high) => (high < 1 ? { unit: "µs", factor: 1e3 } : high >= 3e4 ? { unit: "s", factor: 1e-3 } : { unit: "ms", factor: 1 }),
    },
  };

  hp.Frame = class {
    /**
     * options: title; x: "time" | "percent"; y: { label, unit: "count" | "percent" | "ms", log: true | false | "auto" };
     * height in px; group; note: a sentence below the title.
     */
    constructor(host, options) {
      this.options = { x: "time", height: 240, ...options };
      this.group = options.group ?? hp.group();
      this.group.frames.add(this);
      this.hidden = new Set();
      this.isLog = null;
      this.data = null;
      this.id = `hp-chart-${(nextId += 1)}`;
      this.#build(host);
      new ResizeObserver(() => this.draw()).observe(this.plot);
    }

    /** Show *data* from now on. Drawn with the browser's next frame; many calls in between are one. */
    update(data) {
      this.data = data;
      if (this.#waits) return;
      this.#waits = true;
      requestAnimationFrame(() => {
        this.#waits = false;
        this.draw();
        if (this.details.open) this.#fillTable();
      });
    }

    // What a chart says of itself; the first four are for it to define.
    /** [{ label, colour }], colour a number from 0. */
    legend() { return []; }
    /** { x: [low, high], y: [low, high] } of all that is shown between *low* and *high* on x. */
    extent(_zoom) { return null; }
    /** Paint into the group *layer*; *at* has x(value), y(value), width, height. */
    paint(_layer, _at) {}
    /** [{ label, colour, text }] at *x*, and the x that they really stand at: { x, lines }. */
    under(_x) { return null; }
    /** { columns: [label], rows: [[text]] }. */
    table() { return { columns: [], rows: [] }; }
    /** The x values that the arrow keys step through. */
    stops() { return []; }

    #waits = false;
    #at = null;
    #drag = null;
    #isOurs = false; // whether the cursor is over this chart, and not another of the group

    #build(host) {
      const { title, note, y } = this.options;
      this.logButton = hp.element("button", { type: "button", className: "hp-small", textContent: "log scale" });
      this.logButton.hidden = y.log === undefined;
      this.logButton.addEventListener("click", () => {
        this.isLog = !this.isLog;
        this.draw();
      });
      this.resetButton = hp.element("button", { type: "button", className: "hp-small", textContent: "show all", hidden: true });
      this.resetButton.addEventListener("click", () => this.#zoomTo(null));
      this.legendList = hp.element("ul", { className: "hp-legend", "aria-label": `series of ${title}` });
      this.drawing = hp.svg("svg", { "aria-hidden": "true", focusable: "false" });
      this.tip = hp.element("div", { className: "hp-tip", hidden: true });
      this.spoken = hp.element("div", { className: "hp-spoken", role: "status" });
      this.plot = hp.element(
        "div",
        { className: "hp-plot", tabIndex: 0, role: "group", "aria-roledescription": "chart", "aria-label": `${title}; arrow keys move through it` },
        this.drawing,
        this.tip,
      );
      this.holder = hp.element("div", { className: "hp-table-room" });
      this.details = hp.element("details", { className: "hp-data" }, hp.element("summary", { textContent: `${title} as a table` }), this.holder);
      this.details.addEventListener("toggle", () => this.details.open && this.#fillTable());
      const caption = hp.element(
        "figcaption",
        {},
        hp.element("h3", { id: this.id, textContent: title }),
        hp.element("span", { className: "hp-buttons" }, this.resetButton, this.logButton),
      );
      const parts = [caption];
      if (note) parts.push(hp.element("p", { className: "hp-note", textContent: note }));
      this.figure = hp.element("figure", { className: "hp-chart", "aria-labelledby": this.id }, ...parts, this.legendList, this.plot, this.spoken, this.details);
      host.append(this.figure);
      this.#listen();
    }

    /** Draw all anew, as wide as there is room. */
    draw() {
      const width = this.plot.clientWidth;
      if (!width || !this.data) return;
      this.#drawLegend();
      const { height, y } = this.options;
      const seen = this.extent(this.group.zoom);
      this.resetButton.hidden = this.group.zoom === null;
      this.figure.classList.toggle("hp-empty", seen === null);
      this.drawing.setAttribute("viewBox", `0 0 ${width} ${height}`);
      if (seen === null) {
        this.#at = null;
        this.drawing.replaceChildren(hp.svg("text", { x: width / 2, y: height / 2, "text-anchor": "middle", class: "hp-label" }, this.options.empty ?? "nothing was measured"));
        return;
      }
      if (this.isLog === null && y.log !== undefined) this.isLog = y.log === "auto" ? seen.y[1] > 25 * (seen.usual || seen.y[1]) : y.log;
      const isLog = Boolean(this.isLog) && seen.lowest > 0;
      this.logButton.setAttribute("aria-pressed", String(isLog));
      this.#drawAxes(seen, isLog, width, height);
      this.#drawCursor();
    }

    #drawAxes(seen, isLog, width, height) {
      const { x: xName, y } = this.options;
      const axis = X_AXES[xName];
      let [low, high] = isLog ? [seen.lowest, seen.y[1]] : seen.y;
      if (isLog) [low, high] = [low / 1.08, Math.max(high, low * 1.5) * 1.08];
      const { unit, factor } = UNITS[y.unit].of(isLog ? Math.sqrt(low * high) * 10 : high);
      const most = Math.max(Math.floor(height / (isLog ? 24 : 42)), 2);
      let ticks = isLog ? logTicks(low * factor, high * factor, most) : linearTicks(low * factor, high * factor, most);
      if (!isLog && ticks.length > 1) {
        // The last tick closes the frame.
        const step = ticks[1] - ticks[0];
        if (ticks.at(-1) < high * factor - step * 1e-6) ticks = [...ticks, Number((ticks.at(-1) + step).toPrecision(12))];
        high = Math.max(high, ticks.at(-1) / factor);
      }
      const texts = ticks.map(hp.short);
      const left = 30 + 7 * Math.max(...texts.map((text) => text.length), 1);
      const [top, right, bottom] = [8, 18, 42];
      const inner = { width: Math.max(width - left - right, 20), height: height - top - bottom };
      const [first, last] = seen.x;
      const span = last - first || 1;
      const map = isLog ? (value) => Math.log(value / low) / Math.log(high / low) : (value) => (value - low) / (high - low || 1);
      const at = {
        ...inner,
        isLog,
        lowest: low,
        x: (value) => left + (inner.width * (value - first)) / span,
        y: (value) => top + inner.height * (1 - map(value)),
        left,
        top,
        bottom: top + inner.height,
        span: [first, last],
        valueAt: (px) => first + (span * (px - left)) / inner.width,
      };
      const grid = hp.svg("g", { class: "hp-axes" });
      ticks.forEach((tick, k) => {
        const place = at.y(tick / factor);
        if (place < top - 1 || place > at.bottom + 1) return;
        grid.append(
          hp.svg("line", { x1: left, x2: left + inner.width, y1: place, y2: place, class: "hp-gridline" }),
          hp.svg("text", { x: left - 7, y: place + 4, "text-anchor": "end" }, texts[k]),
        );
      });
      for (const tick of axis.ticks(first, last, Math.max(Math.floor(inner.width / 80), 2))) {
        const place = at.x(tick);
        grid.append(
          hp.svg("line", { x1: place, x2: place, y1: at.bottom, y2: at.bottom + 5, class: "hp-tick" }),
          hp.svg("text", { x: place, y: at.bottom + 18, "text-anchor": "middle" }, axis.tick(tick)),
        );
      }
      const middle = top + inner.height / 2;
      const words = unit ? `${y.label}, ${unit}` : y.label;
      grid.append(
        hp.svg("line", { x1: left, x2: left + inner.width, y1: at.bottom, y2: at.bottom, class: "hp-tick" }),
        hp.svg("text", { x: left + inner.width / 2, y: height - 5, "text-anchor": "middle", class: "hp-label" }, axis.label),
        hp.svg("text", { x: 13, y: middle, transform: `rotate(-90 13 ${middle})`, "text-anchor": "middle", class: "hp-label" }, words),
      );
      const clip = `${this.id}-clip`;
      const layer = hp.svg("g", { "clip-path": `url(#${clip})` });
      this.cursorLayer = hp.svg("g");
      this.drawing.replaceChildren(
        hp.svg("clipPath", { id: clip }, hp.svg("rect", { x: left, y: top - 3, width: inner.width + 3, height: inner.height + 4 })),
        grid,
        layer,
        this.cursorLayer,
      );
      this.#at = at;
      this.paint(layer, at);
    }

    #drawLegend() {
      const entries = this.legend();
      const key = JSON.stringify(entries.map((entry) => [entry.label, entry.style]));
      if (this.legendKey === key) return;
      this.legendKey = key;
      this.legendList.replaceChildren(
        ...entries.map((entry) => {
          const swatch = hp.svg("svg", { class: "hp-swatch", viewBox: "0 0 22 10", "aria-hidden": "true" });
          swatch.append(
            entry.style === "bar" || entry.style === "area"
              ? hp.svg("rect", { x: 2, y: 0, width: 18, height: 10, class: `hp-fill hp-c${entry.colour % COLOURS}` })
              : hp.svg("path", { d: "M0 5H22", class: `hp-line hp-c${entry.colour % COLOURS} hp-${entry.style ?? "line"}` }),
          );
          const button = hp.element("button", { type: "button", "aria-pressed": String(!this.hidden.has(entry.label)) }, swatch, hp.element("span", { textContent: entry.label }));
          button.addEventListener("click", () => {
            if (!this.hidden.delete(entry.label)) this.hidden.add(entry.label);
            button.setAttribute("aria-pressed", String(!this.hidden.has(entry.label)));
            this.draw();
          });
          return hp.element("li", {}, button);
        }),
      );
    }

    #fillTable() {
      const { columns, rows } = this.table();
      const step = Math.ceil(rows.length / MOST_TABLE_ROWS) || 1;
      const shown = rows.filter((_, k) => k % step === 0);
      const head = hp.element("tr", {}, ...columns.map((label) => hp.element("th", { scope: "col", textContent: label })));
      const body = shown.map((row) => hp.element("tr", {}, ...row.map((text) => hp.element("td", { textContent: text }))));
      const note = step > 1 ? [hp.element("p", { className: "hp-note", textContent: `every ${step}th of ${hp.count(rows.length)} rows` })] : [];
      this.holder.replaceChildren(...note, hp.element("table", {}, hp.element("thead", {}, head), hp.element("tbody", {}, ...body)));
    }

    #listen() {
      const pxOf = (event) => event.clientX - this.plot.getBoundingClientRect().left;
      this.plot.addEventListener("pointermove", (event) => {
        if (!this.#at) return;
        this.#cursorTo(this.#at.valueAt(pxOf(event)));
        if (this.#drag !== null) this.#drawDrag(pxOf(event));
      });
      this.plot.addEventListener("pointerleave", () => {
        this.#drag = null;
        this.#cursorTo(null);
      });
      this.plot.addEventListener("pointerdown", (event) => {
        if (event.pointerType === "mouse" && event.button === 0) this.#drag = pxOf(event);
      });
      this.plot.addEventListener("pointerup", (event) => {
        const from = this.#drag;
        this.#drag = null;
        if (from === null || !this.#at) return;
        const ends = [from, pxOf(event)].map((px) => this.#at.valueAt(px)).sort((a, b) => a - b);
        if (Math.abs(pxOf(event) - from) > 8) this.#zoomTo(ends);
        else this.#drawCursor();
      });
      this.plot.addEventListener("dblclick", () => this.#zoomTo(null));
      this.plot.addEventListener("blur", () => this.#cursorTo(null));
      this.plot.addEventListener("keydown", (event) => this.#key(event));
    }

    #key(event) {
      const stops = this.stops();
      if (!this.#at || !stops.length) return;
      const [first, last] = this.#at.span;
      let k = this.group.cursor === null ? -1 : hp.nearest(stops, this.group.cursor);
      const most = stops.length - 1;
      const keys = {
        ArrowRight: () => (k = Math.min(k + (event.shiftKey ? 10 : 1), most)),
        ArrowLeft: () => (k = Math.max(k < 0 ? most : k - (event.shiftKey ? 10 : 1), 0)),
        Home: () => (k = 0),
        End: () => (k = most),
        Escape: () => this.#zoomTo(null),
        "+": () => this.#zoomBy(k < 0 ? (first + last) / 2 : stops[k], 0.5),
        "-": () => this.#zoomBy((first + last) / 2, 2),
      };
      if (!(event.key in keys) || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      keys[event.key]();
      if (k < 0) return;
      this.#cursorTo(stops[k]);
      const found = this.under(stops[k]);
      if (found) this.spoken.textContent = [X_AXES[this.options.x].told(found.x), ...found.lines.map((line) => `${line.label} ${line.text}`)].join(", ");
    }

    #zoomBy(middle, factor) {
      const [first, last] = this.#at.span;
      const half = ((last - first) * factor) / 2;
      const all = this.extent(null)?.x ?? [first, last];
      const ends = [Math.max(middle - half, all[0]), Math.min(middle + half, all[1])];
      this.#zoomTo(ends[0] <= all[0] && ends[1] >= all[1] ? null : ends);
    }

    #zoomTo(ends) {
      this.group.zoom = ends;
      for (const frame of this.group.frames) frame.draw();
    }

    #cursorTo(x) {
      this.group.cursor = x;
      for (const frame of this.group.frames) {
        frame.#isOurs = frame === this;
        frame.#drawCursor();
      }
    }

    #drawDrag(px) {
      const from = Math.min(Math.max(this.#drag, this.#at.left), this.#at.left + this.#at.width);
      const to = Math.min(Math.max(px, this.#at.left), this.#at.left + this.#at.width);
      this.cursorLayer.append(
        hp.svg("rect", { x: Math.min(from, to), y: this.#at.top, width: Math.abs(to - from), height: this.#at.height, class: "hp-drag" }),
      );
    }

    #drawCursor() {
      this.tip.hidden = true;
      if (!this.#at || !this.cursorLayer) return;
      this.cursorLayer.replaceChildren();
      const { cursor } = this.group;
      if (cursor === null || cursor < this.#at.span[0] || cursor > this.#at.span[1]) return;
      const found = this.under(cursor);
      if (found === null) return;
      const place = this.#at.x(found.x);
      this.cursorLayer.append(hp.svg("line", { x1: place, x2: place, y1: this.#at.top, y2: this.#at.bottom, class: "hp-cursor" }));
      if (!this.#isOurs) return;
      const lines = found.lines.map((line) =>
        hp.element("div", {}, hp.element("i", { className: `hp-dot hp-c${(line.colour ?? 0) % COLOURS}` }), hp.element("span", { textContent: line.label }), hp.element("b", { textContent: line.text })),
      );
      this.tip.replaceChildren(hp.element("div", { className: "hp-tip-head", textContent: X_AXES[this.options.x].told(found.x) }), ...lines);
      this.tip.hidden = false;
      const isRight = place > this.plot.clientWidth / 2;
      this.tip.style.left = isRight ? "" : `${place + 12}px`;
      this.tip.style.right = isRight ? `${this.plot.clientWidth - place + 12}px` : "";
    }

    /** A value in the words of the chart's unit. */
    told(value) {
      return UNITS[this.options.y.unit].told(value);
    }
  };

  /** The index of the value in the ascending *values* that is nearest to *wanted*. */
  hp.nearest = (values, wanted) => {
    let [low, high] = [0, values.length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (values[middle] < wanted) low = middle + 1;
      else high = middle;
    }
    return low > 0 && wanted - values[low - 1] < values[low] - wanted ? low - 1 : low;
  };
})();
