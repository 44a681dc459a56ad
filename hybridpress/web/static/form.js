// The settings of the next run. Which there are, the server says; empty ones are the scenario's own, or the default.
"use strict";
(() => {
  const hp = globalThis.hybridpress;
  const { element } = hp;

  const inputFor = ({ name, value, default: usual, metavar, is_flag: isFlag, is_repeated: isRepeated }) => {
    const id = `set-${name}`;
    const help = { "aria-describedby": `${id}-help` };
    if (isFlag) return element("input", { type: "checkbox", id, checked: value, ...help });
    const placeholder = usual || metavar;
    if (isRepeated) return element("textarea", { id, value, placeholder, rows: Math.max(value.split("\n").length, 1), spellcheck: false, ...help });
    return element("input", { type: "text", id, value, placeholder, autocomplete: "off", spellcheck: false, ...help });
  };

  const fieldOf = (field, input) => {
    const label = element("label", { htmlFor: input.id }, `${field.name.replaceAll("_", " ")} `, element("code", { textContent: field.is_flag ? "" : field.metavar }));
    const help = element("small", { id: `${input.id}-help`, textContent: field.is_repeated ? `${field.help} One a line.` : field.help });
    const parts = field.is_flag ? [input, label, help] : [label, input, help];
    return element("div", { className: `hp-field ${field.is_flag ? "hp-tick" : ""}` }, ...parts);
  };

  /** The form in *host*; *submit* is called with the settings. Returns { settings(), open(), close() }. */
  hp.form = (host, fields, submit) => {
    const inputs = new Map(fields.map((field) => [field.name, inputFor(field)]));
    const part = (isMain) => element("div", { className: "hp-fields" }, ...fields.filter((field) => field.is_main === isMain).map((field) => fieldOf(field, inputs.get(field.name))));
    const settings = () => {
      const found = {};
      for (const { name, is_flag: isFlag } of fields) {
        const input = inputs.get(name);
        if (isFlag ? input.checked : input.value.trim()) found[name] = isFlag ? true : input.value;
      }
      return found;
    };
    const form = element(
      "form",
      {},
      element("fieldset", {}, element("legend", { className: "hp-spoken", textContent: "Settings of the next run" }), part(true), element("details", {}, element("summary", { textContent: "More settings" }), part(false))),
      element("div", { className: "hp-buttons" }, element("button", { type: "submit", className: "hp-button hp-main", textContent: "Start the run" })),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      submit(settings());
    });
    const details = element("details", { className: "hp-card hp-form", open: true }, element("summary", {}, element("b", { textContent: "Settings of the next run" })), form);
    host.append(details);
    return {
      settings,
      open: () => (details.open = true),
      close: () => (details.open = false),
    };
  };
})();
