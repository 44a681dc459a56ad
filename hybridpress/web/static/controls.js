// The bar by which a run is steered: QPS and slots, pause, stop, start. What is asked for goes to the run as a command;
// what is shown comes from the run alone.
"use strict";
(() => {
  const hp = globalThis.hybridpress;
  const { element } = hp;

  /** Ask the server for a change: { ok, text, … }, whatever happens on the way. */
  hp.ask = async (path, body) => {
    try {
      const reply = await fetch(path, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(body),
      });
      return await reply.json();
    } catch {
      return { ok: false, text: "the page's server does not answer" };
    }
  };

  /** The least round number (1, 2 or 5 times a power of ten) that is not below *value*. */
  const roundUp = (value) => {
    const power = 10 ** Math.floor(Math.log10(value));
    return power * [1, 2, 5, 10].find((factor) => factor * power >= value * 0.999999);
  };

  /** A number that can be set: by its field and, with *slide*, by a slider. *set* is called with what is wanted. */
  class Knob {
    #isHeld = false;
    #value = null;
    #ceiling = 0;

    constructor(host, { name, label, unit, isWhole, set }) {
      this.isWhole = isWhole;
      this.unit = unit;
      this.field = element("input", { type: "number", id: `${name}-number`, min: isWhole ? "1" : "0", step: isWhole ? "1" : "any", inputMode: "decimal", autocomplete: "off" });
      this.slider = element("input", { type: "range", id: `${name}-slider`, "aria-label": `${label}, by a slider` });
      this.box = element("div", { className: "hp-knob hp-long" }, element("label", { htmlFor: this.field.id, textContent: label }), this.slider, this.field);
      host.append(this.box);
      const wanted = (value) => {
        if (!(value > 0) || value === this.#value) return this.show(this.#value);
        return set(value);
      };
      this.field.addEventListener("change", () => wanted(Number(this.field.value)));
      // Dragged, the number goes along; the run hears of it when the slider is let go.
      this.slider.addEventListener("input", () => {
        this.#isHeld = true;
        this.field.value = this.slider.value;
        this.#tell();
      });
      this.slider.addEventListener("change", () => {
        this.#isHeld = false;
        wanted(Number(this.slider.value));
      });
    }

    /** Forget how far the slider went; a run that begins has its own range. */
    reset() {
      this.#ceiling = 0;
    }

    show(value, { isEnabled = true, canSlide = true } = {}) {
      this.box.hidden = value === null || value === undefined;
      this.#value = value;
      this.field.disabled = this.slider.disabled = !isEnabled;
      this.slider.hidden = !canSlide;
      this.box.classList.toggle("hp-long", canSlide);
      if (this.box.hidden) return;
      if (!this.#isHeld) {
        if (value > 0.9 * this.#ceiling) this.#ceiling = Math.max(roundUp(2 * value), this.isWhole ? 10 : 0);
        const step = this.isWhole ? Math.max(Math.round(this.#ceiling / 100), 1) : this.#ceiling / 100;
        Object.assign(this.slider, { min: step, max: this.#ceiling, step });
        this.slider.value = value;
        this.#tell();
        if (document.activeElement !== this.field) this.field.value = Number(value.toPrecision(value >= 1000 ? Math.ceil(Math.log10(value)) : 4));
      }
    }

    #tell() {
      this.slider.setAttribute("aria-valuetext", `${hp.count(Number(this.slider.value))} ${this.unit}`);
    }
  }

  const BADGES = {
    idle: ["idle", ""],
    starting: ["starting", "hp-warn"],
    pressing: ["pressing", "hp-good"],
    paused: ["paused", "hp-warn"],
    draining: ["draining", "hp-warn"],
    over: ["over", ""],
    lost: ["not connected", "hp-bad"],
  };

  /** The bar. *start* begins a run with what the form says. Returns { show(page, status), say(text, isBad), lost() }. */
  hp.controls = (start) => {
    const find = (id) => document.getElementById(id);
    const said = find("said");
    let number = null;
    let heard = "";

    const say = (text, isBad = false) => {
      said.classList.toggle("hp-bad", isBad);
      said.textContent = text;
    };

    const command = async (name, value) => {
      const reply = await hp.ask("/command", value === undefined ? { command: name } : { command: name, value: String(value) });
      // What a pause or a stop did is told by the state that it brings.
      if (!reply.ok || value !== undefined) say(reply.text, !reply.ok);
    };

    const qps = new Knob(find("knobs"), { name: "qps", label: "QPS", unit: "iterations a second", set: (value) => command("qps", value) });
    const slots = new Knob(find("knobs"), { name: "slots", label: "slots", unit: "slots", isWhole: true, set: (value) => command("slots", value) });

    // A button that cannot be used keeps the focus, so that who uses the keyboard does not lose his place.
    const button = (textContent, className, act) => {
      const made = element("button", { type: "button", className: `hp-button ${className}`, textContent });
      made.addEventListener("click", () => made.getAttribute("aria-disabled") !== "true" && act());
      find("buttons").append(made);
      return made;
    };
    const enable = (made, isEnabled) => made.setAttribute("aria-disabled", String(!isEnabled));
    const startButton = button("Start", "hp-main", () => start());
    const pauseButton = button("Pause", "", () => command(pauseButton.textContent.toLowerCase()));
    const stopButton = button("Stop", "hp-stop", () => command("stop"));

    const clock = (run, status) => {
      const elapsed = status?.elapsed_s ?? 0;
      const length = run?.facts?.length_s;
      const isUnderWay = run && run.state !== "starting";
      find("clock").textContent = isUnderWay ? `${hp.moment(Math.floor(elapsed))}${length && run.state !== "over" ? ` of ${hp.moment(Math.round(length))}` : ""}` : "";
      const progress = find("progress");
      progress.hidden = !isUnderWay || !length || run.state === "over";
      progress.value = length ? Math.min(elapsed / length, 1) : 0;
    };

    const announce = (run, { is_closing: isClosing }) => {
      if (isClosing) return "the page has ended; what it last showed stays";
      if (!run) return "ready to start";
      switch (run.state) {
        case "starting": return run.told || "starting";
        case "draining": return run.told || "the load is over";
        case "over": return run.mistakes.length ? "the run ended with a complaint" : run.result ? `the run is over; verdict: ${run.result.verdict}` : "the run is over";
        case "paused": return "paused: nothing is started, and the plan's time stands still";
        default: return run.facts ? `pressing: ${run.facts.load}` : "pressing";
      }
    };

    return {
      say,
      show(page, status) {
        const { run } = page;
        const state = run?.state ?? "idle";
        if (run && run.number !== number) {
          number = run.number;
          qps.reset();
          slots.reset();
        }
        const isLive = (state === "pressing" || state === "paused") && !page.is_closing;
        const [text, tone] = BADGES[state];
        const verdict = state === "over" && run.result?.verdict;
        find("badge").textContent = verdict ? `over: ${verdict}` : text;
        find("badge").className = `hp-badge ${verdict ? hp.toneOf(verdict) : state === "over" && run.mistakes.length ? "hp-bad" : tone}`;
        clock(run, status);

        const isPaced = run?.facts?.is_paced ?? true;
        const shown = run?.facts && state !== "over" ? (status ?? {}) : {};
        qps.show(isPaced ? (shown.qps ?? null) : null, { isEnabled: isLive });
        slots.show(shown.slots ?? null, { isEnabled: isLive, canSlide: !isPaced });

        const isUnderWay = state !== "idle" && state !== "over";
        const focused = document.activeElement;
        pauseButton.textContent = state === "paused" ? "Resume" : "Pause";
        startButton.textContent = run ? "Start again" : "Start";
        startButton.hidden = !page.can_start || isUnderWay;
        pauseButton.hidden = stopButton.hidden = !isUnderWay;
        enable(startButton, !page.is_closing);
        enable(pauseButton, isLive);
        enable(stopButton, isLive || (state === "starting" && page.can_start && !page.is_closing));
        if (focused?.hidden) (isUnderWay ? stopButton : startButton).focus();

        const news = announce(run, page);
        if (news !== heard) say(news, Boolean(run?.mistakes.length));
        heard = news;
      },
      lost() {
        const [text, tone] = BADGES.lost;
        find("badge").textContent = text;
        find("badge").className = `hp-badge ${tone}`;
        for (const made of [startButton, pauseButton, stopButton]) enable(made, false);
      },
    };
  };
})();
