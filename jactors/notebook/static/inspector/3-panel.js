// ------------------------------------------------------------------ the panel

class Panel {
  constructor(model, el) {
    this.model = model;
    this.el = el;
    this.compact = model.get("compact");
    this.sort = { key: null, down: false };
    this.filter = "";
    this.grouped = false;
    this.dead = false;
    this.view = "table";
    this.tab = "queue";
    this.asking = null; // what is to be confirmed: {op, id}
    this.selected = model.get("selected") || "";
    this.history = new Map(); // id -> queue depths
    this.zoom = 1; // of the timeline
    this.paints = 0;
    this.frame = 0;
    this.build();
    this.listen();
    this.paint();
  }

  // -------------------------------------------------------------- structure, made once

  build() {
    this.root = make("div", { class: this.compact ? "jx jx-compact" : "jx", "data-paints": 0 });
    this.totals = make("span", { class: "jx-totals" });
    this.search = make("input", {
      class: "jx-filter",
      type: "search",
      placeholder: "filter",
      "aria-label": "filter actors by name, class or state",
      oninput: () => ((this.filter = this.search.value.toLowerCase()), this.request()),
    });
    this.toggles = [
      this.toggle("group", "by class", () => (this.grouped = !this.grouped)),
      this.toggle("dead", "dead too", () => (this.dead = !this.dead)),
      this.toggle("map", "map", () => (this.view = this.view === "map" ? "table" : "map")),
    ];
    const head = make("div", { class: "jx-head" }, this.totals, make("span", { class: "jx-space" }), this.search, ...this.toggles);
    this.resources = make("div", { class: "jx-resources" });
    this.heads = new Map();
    const row = make("tr");
    for (const column of COLUMNS) {
      const inner = column.sort
        ? make("button", { type: "button", class: "jx-sort", onclick: () => this.sortBy(column.key) }, column.head)
        : "";
      const th = make("th", { class: `jx-${column.key}${column.right ? " jx-right" : ""}`, scope: "col", style: column.wide ? `width: ${column.wide}px` : null }, inner);
      this.heads.set(column.key, th);
      row.append(th);
    }
    this.body = make("tbody");
    const table = make("table", { class: "jx-table", "aria-label": "actors" }, make("thead", {}, row), this.body);
    this.scroll = make("div", { class: "jx-scroll" }, table);
    this.empty = make("div", { class: "jx-empty" });
    this.map = draw("svg", { class: "jx-map", role: "img", "aria-label": "who calls whom" });
    this.status = make("div", { class: "jx-status", role: "status", "aria-live": "polite" });
    this.detail = make("section", { class: "jx-detail", tabindex: "-1", "aria-label": "one actor" });
    if (!this.compact) this.root.append(head, this.resources);
    this.root.append(this.scroll, this.empty);
    if (!this.compact) this.root.append(this.map);
    this.root.append(this.status);
    if (!this.compact) this.root.append(this.detail);
    this.buildDetail();
    this.root.addEventListener("keydown", (event) => this.onKey(event));
    this.el.append(this.root);
  }

  toggle(name, label, flip) {
    return make(
      "button",
      { class: "jx-toggle", type: "button", "data-toggle": name, "aria-pressed": "false", onclick: () => (flip(), this.request()) },
      label,
    );
  }

  buildDetail() {
    this.detailTitle = make("span", { class: "jx-detail-title" });
    this.detailActs = make("span", { class: "jx-acts" }, ...actionButtons(ACTIONS.map((a) => a.op), (event) => this.onAct(event, this.selected), true));
    const close = make("button", { class: "jx-close", type: "button", title: "close (Esc)", onclick: () => this.look("") }, "close");
    this.facts = make("div", { class: "jx-facts" });
    this.tabs = make("div", { class: "jx-tabs", role: "tablist", onkeydown: (event) => this.onTabKey(event) });
    for (const [name, label] of [
      ["queue", "queue"],
      ["timeline", "timeline"],
      ["state", "state"],
      ["stack", "stack"],
      ["output", "output"],
      ["deaths", "restarts"],
      ["options", "options"],
    ]) {
      this.tabs.append(
        make("button", { type: "button", role: "tab", class: "jx-tab", "data-tab": name, onclick: () => this.turn(name) }, label),
      );
    }
    this.page = make("div", { class: "jx-page", role: "tabpanel", tabindex: "0" });
    this.detail.append(
      make("div", { class: "jx-detail-head" }, this.detailTitle, make("span", { class: "jx-space" }), this.detailActs, close),
      this.facts,
      this.tabs,
      this.page,
    );
  }

  // -------------------------------------------------------------- events

  listen() {
    const onPicture = () => this.request();
    const onDetail = () => this.request();
    const onSelected = () => {
      this.selected = this.model.get("selected") || "";
      this.request();
    };
    const onMessage = (message) => {
      if (message.kind !== "said") return;
      say(this.status, message.text);
      this.status.classList.toggle("jx-bad", Boolean(message.bad));
    };
    this.model.on("change:picture", onPicture);
    this.model.on("change:detail", onDetail);
    this.model.on("change:selected", onSelected);
    this.model.on("msg:custom", onMessage);
    let ticks = 0;
    this.clock = setInterval(() => {
      ticks += 1;
      if (ticks % PRESENT === 0 && document.visibilityState === "visible") this.model.send({ op: "here" });
      this.sample();
      this.request();
    }, SAMPLE);
    this.model.send({ op: "here" }); // a page that was reloaded, or a second view: show what there is now
    this.dispose = () => {
      clearInterval(this.clock);
      cancelAnimationFrame(this.frame);
      this.model.off("change:picture", onPicture);
      this.model.off("change:detail", onDetail);
      this.model.off("change:selected", onSelected);
      this.model.off("msg:custom", onMessage);
    };
  }

  sortBy(key) {
    if (this.sort.key !== key) this.sort = { key, down: false };
    else if (!this.sort.down) this.sort = { key, down: true };
    else this.sort = { key: null, down: false };
    this.request();
  }

  onAct(event, id) {
    event.stopPropagation();
    const op = event.currentTarget.dataset.op;
    if (ACTIONS.find((action) => action.op === op).asks) {
      this.asking = { op, id };
      this.ask();
    } else this.send(op, id);
  }

  // Asks in the page: a window of the browser's would stop everything, and is not shown in all front ends.
  ask() {
    const actor = this.actor(this.asking.id);
    const { op, id } = this.asking;
    const settle = (done) => {
      this.asking = null;
      this.status.replaceChildren();
      if (done) this.send(op, id);
    };
    const yes = make("button", { class: "jx-yes", type: "button", onclick: () => settle(true) }, `kill ${actor ? title(actor) : id.slice(0, 8)}`);
    const no = make("button", { class: "jx-no", type: "button", onclick: () => settle(false) }, "keep it");
    this.status.classList.remove("jx-bad");
    this.status.replaceChildren("Its state and its queued calls are lost. ", yes, " ", no);
    yes.focus();
  }

  send(op, id, more = {}) {
    this.model.send({ op, id, ...more });
  }

  look(id) {
    this.selected = id;
    this.model.send({ op: "look", id, tab: this.tab });
    this.request();
    if (id) requestAnimationFrame(() => this.detail.scrollIntoView({ block: "nearest" }));
  }

  turn(tab) {
    this.tab = tab;
    this.model.send({ op: "look", id: this.selected, tab });
    this.request();
  }

  onTabKey(event) {
    const next = { ArrowRight: "nextElementSibling", ArrowLeft: "previousElementSibling" }[event.key];
    const tab = next && event.target[next];
    if (!tab) return;
    event.preventDefault();
    tab.focus();
    this.turn(tab.dataset.tab);
  }

  onKey(event) {
    const row = event.target.closest?.("tr[data-id]");
    if (event.key === "Escape" && (this.asking || this.selected)) {
      if (this.asking) {
        this.asking = null;
        this.status.replaceChildren();
      } else {
        const id = this.selected;
        this.look("");
        this.body.querySelector(`tr[data-id="${id}"]`)?.focus();
      }
    } else if (row && event.target === row && (event.key === "Enter" || event.key === " ")) this.look(row.dataset.id);
    else if (row && event.target === row && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      let next = row;
      do next = event.key === "ArrowDown" ? next.nextElementSibling : next.previousElementSibling;
      while (next && !next.dataset.id);
      next?.focus();
    } else return;
    event.preventDefault();
    event.stopPropagation(); // the notebook has keys of its own
  }

  // -------------------------------------------------------------- painting

  request() {
    if (!this.frame) this.frame = requestAnimationFrame(() => ((this.frame = 0), this.paint()));
  }

  actor(id) {
    return (this.picture?.actors ?? []).find((actor) => actor.id === id);
  }

  // The driver's clock now: as it was in the last picture, and what has passed since.
  now() {
    return (this.picture?.now ?? 0) + (performance.now() - this.seen) / 1000;
  }

  sample() {
    for (const actor of this.picture?.actors ?? []) {
      const depths = this.history.get(actor.id) ?? [];
      depths.push(actor.queued);
      if (depths.length > HISTORY) depths.shift();
      this.history.set(actor.id, depths);
    }
  }

  paint() {
    const picture = this.model.get("picture");
    if (picture !== this.picture) {
      this.picture = picture;
      this.seen = performance.now();
      this.paints += 1;
    }
    const actors = this.chosen();
    this.paintHead(actors);
    this.paintResources();
    this.paintTable(actors);
    this.paintMap();
    this.paintDetail();
    this.root.dataset.paints = this.paints;
  }

  chosen() {
    let actors = (this.picture?.actors ?? []).filter(
      (actor) =>
        (this.dead || this.compact || !gone(actor) || actor.id === this.selected) &&
        (!this.filter || `${title(actor)} ${actor.cls} ${actor.state} ${actor.id}`.toLowerCase().includes(this.filter)),
    );
    const column = COLUMNS.find((each) => each.key === this.sort.key);
    if (column) {
      const sign = this.sort.down ? -1 : 1;
      actors = actors
        .map((actor) => [column.sort(actor), actor])
        .sort(([a], [b]) => sign * (a < b ? -1 : a > b ? 1 : 0))
        .map(([, actor]) => actor);
    }
    if (this.grouped) actors = [...actors].sort((a, b) => a.cls.localeCompare(b.cls));
    return actors;
  }
}
