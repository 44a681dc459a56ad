// How numbers, times and moments are worded on our pages, as hybridpress/units.py words them on a terminal.
// Adds to the one global of our scripts, `hybridpress`: count, ms, percent, bytes, moment, short.
"use strict";
globalThis.hybridpress ??= {};
(() => {
  const hp = globalThis.hybridpress;
  // Numbers and their units stay in one line: the space between them is one that does not break.
  const NONE = "–";
  const isMissing = (value) => value === null || value === undefined || Number.isNaN(value);
  const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 2 });

  /** 1234567 → "1,234,567". */
  hp.count = (value) => (isMissing(value) ? NONE : whole.format(value));

  /** Milliseconds with three digits and the unit that fits: 0.0453 → "45.3 µs". */
  hp.ms = (value) => {
    if (isMissing(value)) return NONE;
    for (const [factor, unit] of [[1e3, "µs"], [1, "ms"], [1e-3, "s"]]) {
      const scaled = value * factor;
      if (scaled < 999.5 || unit === "s") {
        return `${scaled.toFixed(scaled < 9.995 ? 2 : scaled < 99.95 ? 1 : 0)}\u00a0${unit}`;
      }
    }
    return NONE;
  };

  hp.percent = (value) => (isMissing(value) ? NONE : `${whole.format(value)}\u00a0%`);

  hp.bytes = (value) => {
    if (isMissing(value)) return NONE;
    const units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let k = 0;
    while (value >= 999.5 && k < units.length - 1) {
      value /= 1024;
      k += 1;
    }
    return `${value.toFixed(k === 0 ? 0 : value < 9.995 ? 2 : value < 99.95 ? 1 : 0)}\u00a0${units[k]}`;
  };

  /** Seconds since the start: 5 → "5 s", 65 → "1:05", 3700 → "1:01:40". */
  hp.moment = (seconds) => {
    if (isMissing(seconds)) return NONE;
    if (seconds < 60) return `${whole.format(Math.round(seconds * 100) / 100)} s`;
    const at = Math.round(seconds);
    const two = (number) => String(number).padStart(2, "0");
    const minutes = Math.floor(at / 60) % 60;
    return at < 3600
      ? `${minutes}:${two(at % 60)}`
      : `${Math.floor(at / 3600)}:${two(minutes)}:${two(at % 60)}`;
  };

  /** For ticks: 0.25, 1,200, 25k, 3M. */
  hp.short = (value) => {
    const size = Math.abs(value);
    if (size >= 1e6) return `${whole.format(value / 1e6)}M`;
    if (size >= 1e4) return `${whole.format(value / 1e3)}k`;
    return size && size < 0.01 ? String(Number(value.toPrecision(1))) : whole.format(value);
  };
})();
