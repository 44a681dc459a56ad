// Tables that sort, by a click or by the keyboard (their heads are buttons). Text comes in by textContent alone.
"use strict";
(() => {
  const hp = globalThis.hybridpress;

  const TOLD = {
    text: (value) => (value === null || value === undefined ? "–" : String(value)),
    count: hp.count,
    ms: hp.ms,
    percent: hp.percent,
    bytes: (value) => `${hp.bytes(value)}/s`,
    moment: hp.moment,
  };

  /** Missing values come last, whichever way it sorts. */
  const compare = (a, b, sign) => {
    const [isNoA, isNoB] = [a === null || a === undefined, b === null || b === undefined];
    if (isNoA || isNoB) return isNoA - isNoB;
    return sign * (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true }));
  };

  /**
   * A table in *host*. columns: [{ key, label, kind, bad }], kind a name of TOLD or (row) => element; *bad* colours a
   * value above 0. rows: objects by key. Returns { update(rows) }; the order that the reader chose stays.
   */
  hp.table = (host, { caption, columns, rows, empty }) => {
    let [sorted, sign] = [null, 1];
    let shown = rows;
    const body = hp.element("tbody");
    const heads = columns.map((column) => {
      const isText = column.kind === "text" || typeof column.kind === "function";
      const button = hp.element("button", { type: "button", textContent: column.label });
      const head = hp.element("th", { scope: "col", className: isText ? "" : "hp-number" }, button);
      button.addEventListener("click", () => {
        // The first click on a number asks for the largest.
        sign = sorted === column ? -sign : isText ? 1 : -1;
        sorted = column;
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
        fill();
      });
      return head;
    });
    const cell = (column, row, k) => {
      const isText = column.kind === "text" || typeof column.kind === "function";
      const made = hp.element(k === 0 ? "th" : "td", { className: isText ? "" : "hp-number" });
      if (k === 0) made.setAttribute("scope", "row");
      if (typeof column.kind === "function") made.append(column.kind(row));
      else made.textContent = TOLD[column.kind](row[column.key]);
      if (column.bad && row[column.key] > 0) made.classList.add(`hp-${column.bad}`);
      return made;
    };
    const fill = () => {
      const order = sorted === null ? shown : [...shown].sort((a, b) => compare(a[sorted.key], b[sorted.key], sign));
      body.replaceChildren(...order.map((row) => hp.element("tr", {}, ...columns.map((column, k) => cell(column, row, k)))));
      if (!order.length && empty) body.append(hp.element("tr", {}, hp.element("td", { colSpan: columns.length, textContent: empty })));
    };
    fill();
    host.append(
      hp.element(
        "div",
        { className: "hp-table-room", tabIndex: 0, role: "region", "aria-label": caption },
        hp.element("table", { className: "hp-table" }, hp.element("caption", { className: "hp-spoken", textContent: caption }), hp.element("thead", {}, hp.element("tr", {}, ...heads)), body),
      ),
    );
    return {
      update(next) {
        shown = next;
        fill();
      },
    };
  };
})();
