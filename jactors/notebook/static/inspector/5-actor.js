// ------------------------------------------------------------------ one actor

Object.assign(Panel.prototype, {

  paintDetail() {
    const actor = this.actor(this.selected);
    this.detail.hidden = !actor;
    if (!actor) return;
    const detail = this.model.get("detail") ?? {};
    say(this.detailTitle, `${title(actor)}  ${actor.cls} · ${actor.state}${actor.pid ? ` · pid ${actor.pid}` : ""}`);
    for (const button of this.detailActs.children) {
      const off = gone(actor) || (button.dataset.op === "interrupt" && actor.state !== "busy");
      if (button.disabled !== off) button.disabled = off;
    }
    for (const tab of this.tabs.children) set(tab, "aria-selected", tab.dataset.tab === this.tab ? "true" : "false");
    if (this.page.dataset.tab !== this.tab || this.page.dataset.of !== actor.id) {
      this.page.replaceChildren();
      this.page._known = new Map();
      this.page.dataset.tab = this.tab;
      this.page.dataset.of = actor.id;
    }
    const here = detail.id === actor.id ? detail : {};
    this[`page_${this.tab}`](here, actor);
  },

  // Rows of cells, kept by key; the first one is the heading.
  grid(parent, heading, rows) {
    const [table] = keyed(parent, ["grid"], () =>
      make("table", { class: "jx-grid" }, make("thead", {}, make("tr", {}, ...heading.map((text) => make("th", { scope: "col" }, text)))), make("tbody")),
    );
    const lines = keyed(table.tBodies[0], rows.map((row) => row.key), () => make("tr", {}, ...heading.map(() => make("td"))));
    rows.forEach((row, at) => {
      row.cells.forEach((text, column) => {
        if (text !== null) say(lines[at].cells[column], text);
      });
      set(lines[at], "class", row.class ?? null);
      row.after?.(lines[at]);
    });
  },

  note(text) {
    const [note] = keyed(this.page, ["note"], () => make("p", { class: "jx-note" }));
    say(note, text);
  },

  text(text) {
    const [pre] = keyed(this.page, ["text"], () => make("pre", { class: "jx-text" }));
    if (pre.textContent === text) return;
    const below = pre.scrollHeight - pre.scrollTop - pre.clientHeight < 8;
    say(pre, text);
    if (below) pre.scrollTop = pre.scrollHeight;
  },

  page_queue(detail) {
    const calls = [...(detail.running ?? []), ...(detail.queued ?? [])];
    if (!calls.length) return this.note(detail.id ? "nothing runs, nothing waits" : "…");
    const now = this.now();
    this.grid(this.page, ["call", "caller", "", "since", ""], calls.map((call) => ({
      key: `${call.key}`,
      class: call.began ? "jx-running" : "",
      cells: [call.method, call.caller, call.began ? "runs" : "waits", seconds(Math.max(0, now - (call.began ?? call.submitted))), null],
      after: (line) => {
        if (line.cells[4].firstChild || call.fixed) return;
        line.cells[4].append(
          make("button", { class: "jx-cancel", type: "button", onclick: () => this.send("cancel", detail.id, { key: call.key }) }, "cancel"),
        );
      },
    })));
    if (detail.hidden) say(keyedNote(this.page), `and ${detail.hidden} more`);
  },

  page_state(detail) {
    const attributes = detail.attributes;
    if (!attributes) return this.note(detail.trouble ?? "…");
    if (!attributes.length) return this.note("no attributes");
    this.grid(this.page, ["attribute", "type", "shape", "size", "value"], attributes.map((each) => ({
      key: each.name,
      cells: [each.name, each.type + (each.dtype ? ` ${each.dtype}` : ""), each.shape ? each.shape.join(" × ") : "", each.size == null ? "" : bytes(each.size), each.text],
    })));
  },

  page_stack(detail) {
    this.text(detail.stack ?? detail.trouble ?? "…");
  },

  page_output(detail) {
    this.text(detail.output || (detail.id ? "it has printed nothing" : "…"));
  },

  page_deaths(detail, actor) {
    const deaths = detail.deaths ?? [];
    if (!deaths.length) return this.note(`it has not died; restarts allowed: ${actor.max_restarts < 0 ? "any number" : actor.max_restarts}`);
    this.grid(this.page, ["when", "how", "why", "last output"], deaths.map((death, at) => ({
      key: at,
      cells: [death.when ? `${seconds(Math.max(0, this.now() - death.when))} ago` : "", death.how, death.why, death.output ?? ""],
    })));
  },

  page_options(detail) {
    const options = Object.entries(detail.options ?? {});
    if (!options.length) return this.note("…");
    this.grid(this.page, ["option", "value"], options.map(([name, value]) => ({ key: name, cells: [name, value] })));
  },

  // A Gantt chart: a lane a call that overlaps with others, waiting pale, running solid, failed red.
  page_timeline(detail) {
    const calls = [...(detail.ended ?? []), ...(detail.running ?? []), ...(detail.queued ?? [])];
    if (!calls.length) return this.note(detail.id ? "no calls yet" : "…");
    const [bar, chart] = keyed(this.page, ["bar", "chart"], (key) =>
      key === "bar"
        ? make("div", { class: "jx-zoom" }, ...[["−", 0.5], ["+", 2]].map(([sign, factor]) => make("button", { type: "button", class: "jx-toggle", title: factor > 1 ? "closer" : "farther", onclick: () => ((this.zoom = Math.min(4096, Math.max(1, this.zoom * factor))), this.request()) }, sign)), make("span", { class: "jx-span" }))
        : draw("svg", { class: "jx-gantt" }),
    );
    const now = this.now();
    const end = Math.max(now, ...calls.map((call) => call.ended ?? 0));
    const begin = Math.min(...calls.map((call) => call.submitted));
    const span = Math.max(1e-4, (end - begin) / this.zoom);
    const from = end - span;
    const lanes = [];
    const shown = [];
    for (const call of [...calls].sort((a, b) => a.submitted - b.submitted)) {
      const last = call.ended ?? now;
      if (last < from) continue;
      let lane = lanes.findIndex((free) => free <= call.submitted);
      if (lane < 0) lane = lanes.length;
      if (lane > 60) continue;
      lanes[lane] = last;
      shown.push([call, lane]);
    }
    say(bar.lastChild, `the last ${seconds(span)}, ${shown.length} of ${calls.length} calls`);
    const tall = 14;
    set(chart, "viewBox", `0 0 1000 ${Math.max(1, lanes.length) * tall}`);
    set(chart, "preserveAspectRatio", "none");
    set(chart, "style", `height: ${Math.max(1, lanes.length) * tall}px`);
    const x = (t) => Math.min(1000, Math.max(0, (1000 * (t - from)) / span));
    const boxes = keyed(chart, shown.map(([call]) => `${call.key}`), () => draw("g", {}, draw("title"), draw("rect", { class: "jx-wait" }), draw("rect")));
    shown.forEach(([call, lane], at) => {
      const [name, wait, run] = boxes[at].children;
      const began = call.began ?? call.ended ?? now;
      const ended = call.ended ?? now;
      say(name, `${call.method} of ${call.caller}: waited ${seconds(began - call.submitted)}, ${call.began ? `ran ${seconds(ended - began)}` : "has not begun"}${call.failed ? ", failed" : ""}`);
      for (const [box, a, b] of [[wait, call.submitted, began], [run, began, call.began ? ended : began]]) {
        set(box, "x", x(a).toFixed(1));
        set(box, "width", Math.max(b > a ? 0.8 : 0, x(b) - x(a)).toFixed(1));
        set(box, "y", lane * tall + 2);
        set(box, "height", tall - 4);
      }
      set(run, "class", call.failed ? "jx-failed" : call.ended ? "jx-ended" : call.began ? "jx-now" : "jx-not-yet");
    });
  },
});

function keyedNote(page) {
  let note = page.querySelector(":scope > .jx-more");
  if (!note) page.append((note = make("p", { class: "jx-note jx-more" })));
  return note;
}
