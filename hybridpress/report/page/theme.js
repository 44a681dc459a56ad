// Light or dark: as the system says, until the reader says otherwise by the switch.
"use strict";
(() => {
  const hp = globalThis.hybridpress;
  const root = document.documentElement;
  const KEY = "hybridpress-theme";
  const system = matchMedia("(prefers-color-scheme: dark)");

  // A page that was opened as a file may have no storage.
  const kept = () => {
    try {
      return localStorage.getItem(KEY);
    } catch {
      return null;
    }
  };
  const keep = (theme) => {
    try {
      localStorage.setItem(KEY, theme);
    } catch {
      // It is then asked again.
    }
  };

  let chosen = ["light", "dark"].includes(kept()) ? kept() : null;
  const apply = () => root.setAttribute("data-theme", chosen ?? (system.matches ? "dark" : "light"));
  system.addEventListener("change", apply);
  apply();

  /** The switch between light and dark. */
  hp.themeSwitch = () => {
    const button = hp.element("button", { type: "button", className: "hp-small" });
    const tell = () => {
      const isDark = root.getAttribute("data-theme") === "dark";
      button.textContent = isDark ? "light" : "dark";
      button.setAttribute("aria-label", `switch to ${isDark ? "light" : "dark"} colours`);
    };
    button.addEventListener("click", () => {
      chosen = root.getAttribute("data-theme") === "dark" ? "light" : "dark";
      keep(chosen);
      apply();
      tell();
    });
    system.addEventListener("change", tell);
    tell();
    return button;
  };
})();
