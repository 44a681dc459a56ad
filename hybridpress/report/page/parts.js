// The parts that the report and the page of a comparison share: head, sections, tiles, the verdict, the settings.
"use strict";
(() => {
  const hp = globalThis.hybridpress;
  const { element } = hp;

  const MEANING = {
    valid: ["hp-good", "the generator kept up: the times are the server's"],
    degraded: ["hp-warn", "read the times with care"],
    invalid: ["hp-bad", "do not quote these times"],
  };

  hp.toneOf = (verdict) => (MEANING[verdict] ?? ["hp-warn"])[0];

  /** The verdict as a badge with what it means. */
  hp.verdict = ({ verdict, reasons }) => {
    const [tone, meaning] = MEANING[verdict] ?? ["hp-warn", ""];
    const list = element("ul", { className: "hp-reasons" }, ...reasons.map(({ code, text }) => element("li", {}, element("code", { textContent: code }), ` ${text}`)));
    return element(
      "div",
      { className: `hp-verdict ${tone}` },
      element("p", {}, element("strong", { textContent: verdict }), element("span", { textContent: meaning })),
      ...(reasons.length ? [list] : []),
    );
  };

  /** A section with its heading; its id is what the contents point to. */
  hp.section = (main, id, title) => {
    const made = element("section", { id, "aria-labelledby": `${id}-head` }, element("h2", { id: `${id}-head`, textContent: title }));
    main.append(made);
    return made;
  };

  hp.card = (host, ...children) => {
    const made = element("div", { className: "hp-card" }, ...children);
    host.append(made);
    return made;
  };

  /** [{ label, value, unit, note, tone }] as large numbers. */
  hp.tiles = (host, tiles) =>
    host.append(
      element(
        "dl",
        { className: "hp-tiles" },
        ...tiles.map(({ label, value, note, tone }) =>
          element("div", { className: tone ?? "" }, element("dt", { textContent: label }), element("dd", {}, element("b", { textContent: value }), element("small", { textContent: note ?? "" }))),
        ),
      ),
    );

  /** [{ title, rows: [[name, value]] }], side by side where there is room. */
  hp.facts = (host, groups) => {
    const grid = element("div", { className: "hp-facts" });
    for (const { title, rows } of groups) {
      const list = element("dl", {}, ...rows.flatMap(([name, value]) => [element("dt", { textContent: name }), element("dd", { textContent: value })]));
      grid.append(element("div", {}, element("h3", { textContent: title }), list));
    }
    host.append(grid);
  };

  /** The contents: a link to each section. */
  hp.contents = (nav, main) => {
    for (const section of main.querySelectorAll("section[id]")) {
      nav.append(element("a", { href: `#${section.id}`, textContent: section.querySelector("h2").textContent }));
    }
  };

  /** A section with a table of *rows*; nothing where there are none. */
  hp.listed = (main, id, title, columns, rows) => {
    if (rows.length) hp.table(hp.card(hp.section(main, id, title)), { caption: title, columns, rows });
  };

  hp.times = [
    { key: "p50", label: "p50", kind: "ms" },
    { key: "p90", label: "p90", kind: "ms" },
    { key: "p95", label: "p95", kind: "ms" },
    { key: "p99", label: "p99", kind: "ms" },
    { key: "p99.9", label: "p99.9", kind: "ms" },
    { key: "max", label: "max", kind: "ms" },
    { key: "mean", label: "mean", kind: "ms" },
  ];

  /** What the document carries: its data, not a script. */
  hp.dataOf = (id) => JSON.parse(document.getElementById(id).textContent);

  hp.when = (iso) => {
    const at = new Date(iso);
    return Number.isNaN(at.getTime()) ? iso : `${iso.slice(0, 10)} ${iso.slice(11, 19)} UTC`;
  };

  hp.span = (seconds) => {
    if (seconds < 60) return `${hp.count(seconds)} s`;
    const [hours, minutes, left] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, Math.round(seconds) % 60];
    return [[hours, "h"], [minutes, "min"], [left, "s"]].filter(([number]) => number).map(([number, unit]) => `${number} ${unit}`).join(" ");
  };
})();
