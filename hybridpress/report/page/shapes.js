// What is painted inside a frame: lines (also dashed, or filled), stacked bars, and a heat map. All of it SVG.
"use strict";
(() => {
  const hp = globalThis.hybridpress;
  const COLOURS = 8;
  const isNumber = (value) => typeof value === "number" && Number.isFinite(value);
  const round = (px) => Math.round(px * 10) / 10;

  /** The indices of the ascending *x* that lie from *low* to *high*, and one more at either end: [first, last + 1]. */
  const within = (x, zoom) => {
    if (zoom === null || !x.length) return [0, x.length];
    let [first, end] = [hp.nearest(x, zoom[0]), hp.nearest(x, zoom[1]) + 1];
    return [Math.max(first - 1, 0), Math.min(end + 1, x.length)];
  };

  /**
   * Lines and bars. data: { series: [{ label, x, y, style, colour }], marks: [{ x, text }] }; style is "line", "dash",
   * "dot", "area" or "bar"; a y of null is a gap; bars stand on one another and share their x.
   */
  hp.Lines = class extends hp.Frame {
    #series() {
      return this.data.series.map((series, k) => ({ style: "line", colour: k, ...series }));
    }

    #shown() {
      return this.#series().filter((series) => !this.hidden.has(series.label));
    }

    legend() {
      return this.#series().map(({ label, style, colour }) => ({ label, style, colour }));
    }

    extent(zoom) {
      const all = this.#shown();
      let [first, last, low, high, lowest] = [Infinity, -Infinity, Infinity, -Infinity, Infinity];
      const sums = new Map();
      const values = [];
      for (const { x, y, style } of all) {
        const [from, to] = within(x, zoom);
        for (let k = from; k < to; k += 1) {
          if (!isNumber(y[k])) continue;
          first = Math.min(first, x[k]);
          last = Math.max(last, x[k]);
          let value = y[k];
          if (style === "bar") {
            value += sums.get(x[k]) ?? 0;
            sums.set(x[k], value);
          }
          low = Math.min(low, value);
          high = Math.max(high, value);
          if (value > 0) lowest = Math.min(lowest, value);
          if (values.length < 5000) values.push(value);
        }
      }
      if (high === -Infinity) return null;
      values.sort((a, b) => a - b);
      const usual = values[values.length >> 1];
      const bar = all.find(({ style, x }) => style === "bar" && x.length > 1);
      if (bar) {
        const half = (bar.x.at(-1) - bar.x[0]) / (bar.x.length - 1) / 2;
        [first, last] = [first - half, last + half];
      }
      if (zoom !== null) [first, last] = zoom;
      if (first === last) [first, last] = [first - 0.5, last + 0.5];
      // Rates and times stand on 0: a cut axis makes noise look like a wave.
      return { x: [first, last], y: [Math.min(low, 0), high > 0 ? high : 1], lowest, usual };
    }

    paint(layer, at) {
      for (const { x, text } of this.data.marks ?? []) {
        if (x < at.span[0] || x > at.span[1]) continue;
        layer.append(
          hp.svg("line", { x1: at.x(x), x2: at.x(x), y1: at.top, y2: at.bottom, class: "hp-mark" }, hp.svg("title", {}, text)),
        );
      }
      const shown = this.#shown();
      this.#paintBars(layer, at, shown.filter((series) => series.style === "bar"));
      for (const series of shown) {
        if (series.style === "bar") continue;
        const runs = this.#runs(series, at);
        if (series.style === "area") {
          const fill = runs.map((run) => `${this.#path(run)}V${at.bottom}H${run[0][0]}Z`).join("");
          layer.append(hp.svg("path", { d: fill, class: `hp-fill hp-soft hp-c${series.colour % COLOURS}` }));
        }
        const lone = runs.filter((run) => run.length === 1).map(([[px, py]]) => `M${round(px - 2)} ${py}h4`);
        const d = runs.filter((run) => run.length > 1).map((run) => this.#path(run)).join("") + lone.join("");
        layer.append(hp.svg("path", { d, class: `hp-line hp-c${series.colour % COLOURS} hp-${series.style}` }));
      }
    }

    #path(run) {
      return `M${run.map(([px, py]) => `${px} ${py}`).join("L")}`;
    }

    /** The parts without a gap, as points in px. Of many values in one px the lowest and the highest stay. */
    #runs({ x, y }, at) {
      const [from, to] = within(x, this.group.zoom);
      const isDense = to - from > 2 * at.width;
      const runs = [];
      let run = null;
      let column = null;
      const close = () => {
        if (column !== null) {
          const { px, low, high, first, last } = column;
          for (const value of first > last ? [high, low] : [low, high]) run.push([px, value]);
        }
        column = null;
      };
      for (let k = from; k < to; k += 1) {
        const value = y[k];
        if (!isNumber(value) || (at.isLog && value <= 0)) {
          if (run !== null) close();
          run = null;
          continue;
        }
        if (run === null) runs.push((run = []));
        const py = round(at.y(value));
        if (!isDense) {
          run.push([round(at.x(x[k])), py]);
          continue;
        }
        const px = Math.round(at.x(x[k]));
        if (column === null || column.px !== px) {
          close();
          column = { px, low: py, high: py, first: py, last: py };
        }
        column.low = Math.min(column.low, py);
        column.high = Math.max(column.high, py);
        column.last = py;
      }
      if (run !== null) close();
      return runs;
    }

    /** Of many seconds in one bar the bar shows their mean. */
    #paintBars(layer, at, bars) {
      if (!bars.length) return;
      const { x } = bars[0];
      const [from, to] = within(x, this.group.zoom);
      const gap = x.length > 1 ? (x.at(-1) - x[0]) / (x.length - 1) : 1;
      const each = Math.max(Math.ceil(3 / (at.x(gap) - at.x(0) || 3)), 1);
      const width = Math.min(at.x(gap * each) - at.x(0), 40);
      const floor = new Map();
      for (const { y, colour } of bars) {
        let d = "";
        for (let k = from - (from % each); k < to; k += each) {
          const part = y.slice(k, k + each).filter(isNumber);
          if (!part.length) continue;
          const value = part.reduce((sum, one) => sum + one, 0) / part.length;
          if (value <= 0) continue;
          const under = floor.get(k) ?? 0;
          floor.set(k, under + value);
          const [top, base] = [at.y(under + value), at.y(under)];
          const left = at.x(x[k] + (gap * (Math.min(each, x.length - k) - 1)) / 2) - width / 2;
          d += `M${round(left)} ${round(base)}V${round(top)}h${round(Math.max(width - (width > 6 ? 1 : 0), 1))}V${round(base)}Z`;
        }
        layer.append(hp.svg("path", { d, class: `hp-fill hp-c${colour % COLOURS}` }));
      }
    }

    under(cursor) {
      const shown = this.#shown().filter(({ x }) => x.length);
      if (!shown.length) return null;
      const longest = shown.reduce((best, series) => (series.x.length > best.x.length ? series : best));
      const x = longest.x[hp.nearest(longest.x, cursor)];
      const lines = [];
      for (const series of shown) {
        const k = hp.nearest(series.x, x);
        const isNear = series.x === longest.x || (x >= series.x[0] - 1e-9 && x <= series.x.at(-1) + 1e-9);
        if (isNear && isNumber(series.y[k])) lines.push({ label: series.label, colour: series.colour, text: this.told(series.y[k]) });
      }
      for (const mark of this.data.marks ?? []) if (Math.abs(mark.x - x) <= 0.5) lines.push({ label: mark.text, colour: 7, text: "" });
      return { x, lines };
    }

    table() {
      const all = this.#series();
      const xs = [...new Set(all.flatMap(({ x }) => x))].sort((a, b) => a - b);
      const of = all.map(({ x, y }) => new Map(x.map((value, k) => [value, y[k]])));
      const name = this.options.x === "time" ? "time" : "%";
      const x = this.options.x === "time" ? hp.moment : (at) => String(Number((100 * (1 - 10 ** -at)).toFixed(5)));
      return { columns: [name, ...all.map(({ label }) => label)], rows: xs.map((at) => [x(at), ...of.map((values) => this.told(values.get(at)))]) };
    }

    stops() {
      const shown = this.#shown();
      return shown.length ? shown.reduce((best, { x }) => (x.length > best.length ? x : best), []) : [];
    }
  };

  const LEVELS = 8;
  const MOST_COLUMNS = 300;

  /**
   * A heat map on a log axis of times. data: { x: [start of each column], bins: [[bin, count, bin, count, …]] (a list a
   * column), span_s: length of a column }. A bin is the place of a time in a histogram that tells apart its three leading
   * bits: bin b of 0 to 7 holds times of b µs, and each power of two above has four.
   */
  hp.Heat = class extends hp.Frame {
    #columns = [];
    #most = 1;

    update(data) {
      const each = Math.ceil(data.x.length / MOST_COLUMNS) || 1;
      this.#columns = [];
      for (let k = 0; k < data.x.length; k += each) {
        const found = new Map();
        for (const bins of data.bins.slice(k, k + each)) {
          for (let n = 0; n < bins.length; n += 2) found.set(bins[n], (found.get(bins[n]) ?? 0) + bins[n + 1]);
        }
        const width = data.span_s * Math.min(each, data.x.length - k);
        this.#columns.push({ x: data.x[k], width, bins: found });
      }
      this.#most = Math.max(...this.#columns.map(({ bins }) => Math.max(0, ...bins.values())), 1);
      super.update(data);
    }

    #edge(bin) {
      const shift = Math.max((bin >> 2) - 1, 0);
      return Math.max((bin - 4 * shift) * 2 ** shift, 0.5) / 1e3;
    }

    #level(count) {
      return this.#most === 1 ? LEVELS - 1 : Math.min(Math.floor((LEVELS * Math.log(count)) / Math.log(this.#most)), LEVELS - 1);
    }

    legend() {
      return [];
    }

    extent(zoom) {
      let [low, high] = [Infinity, -Infinity];
      for (const { bins } of this.#columns) {
        for (const bin of bins.keys()) {
          low = Math.min(low, bin);
          high = Math.max(high, bin + 1);
        }
      }
      if (high === -Infinity) return null;
      const { x, span_s: span } = this.data;
      this.isLog = true;
      return { x: zoom ?? [x[0], x.at(-1) + span], y: [0, this.#edge(high)], lowest: this.#edge(low), usual: 0 };
    }

    paint(layer, at) {
      const paths = Array.from({ length: LEVELS }, () => "");
      for (const { x, width, bins } of this.#columns) {
        const [left, right] = [at.x(x), at.x(x + width)];
        if (right < at.left || left > at.left + at.width) continue;
        for (const [bin, count] of bins) {
          const [top, base] = [at.y(this.#edge(bin + 1)), at.y(this.#edge(bin))];
          paths[this.#level(count)] += `M${round(left)} ${round(base + 0.4)}V${round(top)}H${round(right + 0.3)}V${round(base + 0.4)}Z`;
        }
      }
      paths.forEach((d, level) => layer.append(hp.svg("path", { d, class: `hp-heat-${level}` })));
      this.#drawScale();
    }

    #drawScale() {
      const boxes = Array.from({ length: LEVELS }, (_, level) => hp.svg("rect", { x: 14 * level, y: 0, width: 14, height: 10, class: `hp-heat-${level}` }));
      const scale = hp.svg("svg", { class: "hp-scale", viewBox: `0 0 ${14 * LEVELS} 10`, "aria-hidden": "true" }, ...boxes);
      this.legendList.replaceChildren(
        hp.element("li", {}, hp.element("span", { textContent: "1" }), scale, hp.element("span", { textContent: `${hp.count(this.#most)} iterations in a cell (log scale)` })),
      );
    }

    under(cursor) {
      const column = this.#columns.findLast(({ x }) => x <= cursor) ?? this.#columns[0];
      if (!column) return null;
      const found = [...column.bins].sort((a, b) => b[1] - a[1]).slice(0, 6).sort((a, b) => b[0] - a[0]);
      const lines = found.map(([bin, count]) => ({ label: this.#range(bin), colour: 0, text: hp.count(count) }));
      return { x: column.x, lines };
    }

    #range(bin) {
      return `${hp.ms(this.#edge(bin))} to ${hp.ms(this.#edge(bin + 1))}`;
    }

    table() {
      const all = [...new Set(this.#columns.flatMap(({ bins }) => [...bins.keys()]))].sort((a, b) => a - b);
      const rows = this.#columns.map(({ x, bins }) => [hp.moment(x), ...all.map((bin) => (bins.has(bin) ? hp.count(bins.get(bin)) : ""))]);
      return { columns: ["time", ...all.map((bin) => `from ${hp.ms(this.#edge(bin))}`)], rows };
    }

    stops() {
      return this.#columns.map(({ x }) => x);
    }
  };
})();
