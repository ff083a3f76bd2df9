// ------------------------------------------------------------------ the cards of a page
//
//   model.picture (all actors that have a card, a message a tick) ─▶ every card in the page that has our mark
//
// The cards are plain HTML that somebody else has put there, and may take away or move. Where the kernel is gone, they
// say what was last known, and have no buttons.

const DEAF = 20000; // milliseconds after which a kernel that has said nothing is gone

class Deck {
  constructor(model) {
    this.model = model;
    this.cards = new WeakMap(); // element -> its parts
    this.heard = -Infinity;
    this.frame = 0;
    this.ticks = 0;
    const onPicture = () => {
      this.hear();
      this.taken = performance.now();
      this.request();
    };
    const onMessage = (message) => {
      this.hear();
      if (message.kind === "said") this.said(message);
      this.request();
    };
    model.on("change:picture", onPicture);
    model.on("msg:custom", onMessage);
    this.taken = performance.now();
    this.clock = setInterval(() => this.tick(), SAMPLE);
    this.tick();
    this.dispose = () => {
      clearInterval(this.clock);
      cancelAnimationFrame(this.frame);
      model.off("change:picture", onPicture);
      model.off("msg:custom", onMessage);
      this.heard = -Infinity;
      this.paint();
    };
  }

  hear() {
    this.heard = performance.now();
  }

  found() {
    return document.querySelectorAll(`.jactors-card[data-jactors^="${this.model.get("mark")} "]`);
  }

  // Says that somebody looks, where there is something to look at: now and then, and at once where a card is new.
  tick() {
    const found = this.found();
    const born = [...found].some((element) => !this.cards.has(element));
    if (found.length && document.visibilityState === "visible" && (born || this.ticks % PRESENT === 0)) this.model.send({ op: "here" });
    this.ticks += 1;
    if (found.length) this.request();
  }

  request() {
    if (!this.frame) this.frame = requestAnimationFrame(() => ((this.frame = 0), this.paint()));
  }

  said(message) {
    for (const element of this.found()) {
      if (!element.dataset.jactors.endsWith(` ${message.id}`) || !this.cards.has(element)) continue;
      const { note } = this.cards.get(element);
      say(note, message.text);
      note.classList.toggle("jd-bad", Boolean(message.bad));
      note.dataset.until = String(performance.now() + 6000);
    }
  }

  paint() {
    const picture = this.model.get("picture");
    const known = new Map((picture?.actors ?? []).map((actor) => [actor.id, actor]));
    const live = performance.now() - this.heard < DEAF;
    const now = (picture?.now ?? 0) + (performance.now() - this.taken) / 1000;
    for (const element of this.found()) {
      const actor = known.get(element.dataset.jactors.split(" ")[1]);
      if (!actor) continue;
      if (!this.cards.has(element)) this.cards.set(element, this.born(element, actor));
      this.paintCard(element, this.cards.get(element), actor, live, now);
    }
  }

  born(element, actor) {
    const part = (name, ...children) => make("span", { class: `jd-${name}` }, ...children);
    const parts = {
      dot: part("dot"), name: part("name"), cls: part("cls"), state: part("state"), runs: part("runs"),
      queued: part("queued"), done: part("done"), failed: part("failed"), use: part("use"), pins: part("pins"),
    };
    parts.acts = part("acts", ...actionButtons(ACTS_OF_A_ROW, (event) => this.act(event, element, actor.id)));
    parts.asks = part("asks");
    parts.note = make("div", { class: "jd-note", role: "status" });
    parts.last = element.querySelector("div")?.textContent ?? ""; // what stood there: the last error
    element.removeAttribute("style");
    element.classList.add("jd-card");
    element.setAttribute("role", "group");
    element.setAttribute("aria-label", `actor ${title(actor)}`);
    const line = make("div", { class: "jd-line" }, parts.dot, parts.name, parts.cls, parts.state, parts.runs, parts.queued, parts.done, parts.failed, parts.use, parts.pins, parts.acts, parts.asks);
    element.replaceChildren(line, parts.note);
    return parts;
  }

  act(event, element, id) {
    const op = event.currentTarget.dataset.op;
    const { acts, asks } = this.cards.get(element);
    if (!ACTIONS.find((action) => action.op === op).asks) return this.model.send({ op, id });
    const settle = (done) => {
      asks.replaceChildren();
      acts.hidden = false;
      if (done) this.model.send({ op, id });
      else acts.lastChild.focus();
    };
    const yes = make("button", { class: "jd-yes", type: "button", onclick: () => settle(true) }, "kill it");
    const no = make("button", { class: "jd-no", type: "button", onclick: () => settle(false) }, "keep it");
    asks.onkeydown = (key) => key.key === "Escape" && (key.stopPropagation(), settle(false));
    asks.replaceChildren(yes, no);
    acts.hidden = true;
    yes.focus();
  }

  paintCard(element, parts, actor, live, now) {
    set(element, "data-state", actor.state);
    set(element, "data-live", live ? "" : null);
    set(element, "title", live ? null : "the kernel is gone: this is what was last known");
    say(parts.name, actor.name ?? "");
    say(parts.cls, `${actor.cls} ${actor.id.slice(0, 8)}`);
    say(parts.state, actor.state);
    const runs = actor.runs ? `${actor.runs}${actor.more ? ` +${actor.more}` : ""}` : "";
    say(parts.runs, runs && live ? `${runs} ${seconds(Math.max(0, now - actor.since))}` : runs);
    say(parts.queued, actor.queued ? `${number(actor.queued)} queued` : "");
    say(parts.done, actor.done == null ? "" : `${number(actor.done)} done`);
    say(parts.failed, actor.failed ? `${number(actor.failed)} failed` : "");
    say(parts.use, gone(actor) || actor.rss == null ? "" : `${percent(actor.cpu)}  ${bytes(actor.rss)}`);
    const back = actor.restarts + actor.asked ? `restarts ${restarted(actor)}${actor.asked ? ` +${actor.asked}` : ""}` : "";
    say(parts.pins, gone(actor) ? back : [pins(actor), back].filter(Boolean).join(" · "));
    for (const button of parts.acts.children) {
      const off = gone(actor) || (button.dataset.op === "interrupt" && actor.state !== "busy");
      if (button.disabled !== off) button.disabled = off;
    }
    if (Number(parts.note.dataset.until ?? 0) < performance.now()) {
      parts.note.classList.remove("jd-bad");
      say(parts.note, actor.reason || (actor.failed ? parts.last : ""));
    }
  }
}

export default {
  initialize({ model }) {
    const deck = new Deck(model);
    return () => deck.dispose();
  },
};
