// The page's thread through it all: listens to the server's events, and hands them to the bar, the form and the views.
"use strict";
(() => {
  const hp = globalThis.hybridpress;
  const { element } = hp;
  const AGAIN_MS = 2000;
  const main = document.getElementById("main");
  const room = element("div");
  const mistakes = element("div", { role: "alert" });
  const head = element("div");
  const empty = element("p", { className: "hp-empty-run", textContent: "No run yet. Its figures and charts appear here." });
  main.replaceChildren(head, mistakes, room);
  document.querySelector(".hp-tools").append(hp.themeSwitch());

  let page = null;
  let status = null;
  let views = null;
  let number = null;
  let form = null;

  const tellMistakes = (texts) => {
    const key = texts.join("\n");
    if (mistakes.textContent === key) return;
    mistakes.replaceChildren(...(texts.length ? [element("div", { className: "hp-mistakes" }, ...texts.map((textContent) => element("p", { textContent })))] : []));
  };

  const start = async (settings = form.settings()) => {
    tellMistakes([]);
    const reply = await hp.ask("/start", { settings });
    controls.say(reply.text, !reply.ok);
    if (reply.ok) form.close();
    else tellMistakes(reply.mistakes ?? [reply.text]);
  };
  const controls = hp.controls(start);

  const title = () => {
    const facts = page.run?.facts;
    const scenario = facts?.scenario ?? page.scenario;
    const name = scenario.split(":").at(-1);
    document.querySelector("h1").textContent = name || "hybridpress";
    document.getElementById("subtitle").textContent = [scenario, facts?.settings.host].filter(Boolean).join("  ·  ") || "hybridpress";
    const rate = page.run && page.run.state !== "over" && status?.qps ? `${hp.count(Math.round(status.qps))}/s ` : "";
    document.title = `${rate}${page.run?.state ?? "idle"} · ${name || "hybridpress"}`;
  };

  const handlers = {
    page(data) {
      page = data;
      if (page.can_start && !form) form = hp.form(head, page.form, start);
      if (!page.run) {
        room.replaceChildren(empty);
      } else if (page.run.number !== number) {
        number = page.run.number;
        status = null;
        room.replaceChildren();
        views = new hp.views(room);
        form?.close();
      }
      if (page.run) {
        views.page(page);
        tellMistakes(page.run.mistakes);
        if (page.run.mistakes.length && !page.run.result) form?.open();
      }
      for (const id of ["result", "report"]) document.getElementById(id).hidden = !page.run?.result || page.is_closing;
      controls.show(page, status);
      title();
      if (page.is_closing) source.close();
    },
    history: (data) => views.history(data),
    second: (data) => views.second(data),
    events: (data) => views.events(data),
    event: (data) => views.event(data),
    status(data) {
      status = data;
      views.status(status);
      controls.show(page, status);
      title();
    },
  };

  let source = null;
  const listen = () => {
    source = new EventSource("/events");
    for (const [name, handle] of Object.entries(handlers)) source.addEventListener(name, ({ data }) => handle(JSON.parse(data)));
    source.addEventListener("open", () => {
      number = null; // whoever comes again is told all anew
    });
    source.addEventListener("error", () => {
      if (page?.is_closing) return;
      controls.lost();
      controls.say("the connection is lost; trying again", true);
      if (source.readyState === EventSource.CLOSED) setTimeout(listen, AGAIN_MS); // it was refused: browsers give up then
    });
  };
  listen();
})();
