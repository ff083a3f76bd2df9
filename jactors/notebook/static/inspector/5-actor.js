// ------------------------------------------------------------------ one actor

Object.assign(Panel.prototype, {

  paintDetail() {
    const actor = this.actor(this.selected);
    this.detail.hidden = !actor;
    if (!actor) return;
    const detail = this.model.get("detail") ?? {};
    say(this.detailTitle, `${title(actor)}  ${actor.cls} · ${actor.state}${actor.pid ? ` · pid ${actor.pid}` : ""}`);
    const parts = [gone(actor) || !actor.started ? "" : `up ${age(Math.max(0, this.now() - actor.started))}`, pins(actor) || "any core", `${number(actor.done)} done, ${number(actor.failed)} failed`, `${number(actor.rate)}/s`, actor.p50 == null ? "" : `p50 ${seconds(actor.p50)}, p95 ${seconds(actor.p95)}`, `CPU ${percent(actor.cpu)}`, bytes(actor.rss), actor.gpumem ? `GPU memory ${bytes(actor.gpumem)}` : "", `restarts ${restarted(actor)}${actor.asked ? ` +${actor.asked}` : ""}`];
    say(this.facts, gone(actor) ? actor.reason : parts.filter(Boolean).join("  ·  "));
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
    const [bar, chart] = keyed(this.page, ["bar", "chart"], (key) => (key === "bar" ? this.bornZoom() : this.bornChart()));
    const now = this.now();
    const open = calls.some((call) => call.ended == null);
    const end = Math.max(open ? now : 0, ...calls.map((call) => call.ended ?? 0)); // where nothing is open, it stands still
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
    say(bar.querySelector(".jx-span"), `the last ${seconds(span)}, ${shown.length} of ${calls.length} calls`);
    const tall = 18;
    const height = Math.max(1, lanes.length) * tall;
    set(chart, "height", height + tall);
    const share = (t) => Math.min(1, Math.max(0, (t - from) / span));
    const [axis, body] = chart.children;
    const step = stepOf(span / 5);
    const ticks = [];
    for (let back = step; back < span; back += step) ticks.push(back);
    const lines = keyed(axis, ticks.map((back) => back.toPrecision(6)), () => draw("g", {}, draw("line"), draw("text")));
    ticks.forEach((back, at) => {
      const [line, text] = lines[at].children;
      const x = `${(100 * share(end - back)).toFixed(2)}%`;
      for (const name of ["x1", "x2"]) set(line, name, x);
      set(line, "y1", tall - 4);
      set(line, "y2", height + tall);
      set(text, "x", x);
      set(text, "y", 11);
      say(text, `−${seconds(back)}`);
    });
    const wide = chart.clientWidth || 1000;
    const boxes = keyed(body, shown.map(([call]) => `${call.key}`), () => draw("g", {}, draw("title"), draw("rect", { class: "jx-wait" }), draw("rect"), draw("text")));
    shown.forEach(([call, lane], at) => {
      const [name, wait, run, label] = boxes[at].children;
      const began = call.began ?? call.ended ?? now;
      const ended = call.ended ?? now;
      const told = call.began ? `ran ${seconds(ended - began)}` : call.ended ? "never began" : "has not begun";
      say(name, `${call.method} of ${call.caller}: waited ${seconds(began - call.submitted)}, ${told}${call.failed ? ", failed" : ""}`);
      for (const [box, a, b] of [[wait, call.submitted, began], [run, began, call.began ? ended : began]]) {
        set(box, "x", `${(100 * share(a)).toFixed(2)}%`);
        set(box, "width", `${Math.max(b > a ? 0.1 : 0, 100 * (share(b) - share(a))).toFixed(2)}%`);
        set(box, "y", (lane + 1) * tall + 2);
        set(box, "height", tall - 4);
      }
      const kind = call.failed ? "jx-failed" : call.ended ? "jx-ended" : call.began ? "jx-now" : "jx-not-yet";
      set(run, "class", kind);
      // Its name where there is room for it: in what it ran, else in what it waited.
      const ran = share(call.began ? ended : began) - share(began);
      const waited = share(began) - share(call.submitted);
      const room = 7 * call.method.length + 10;
      const place = ran * wide > room ? began : waited * wide > room ? call.submitted : null;
      set(label, "x", `${(100 * share(place ?? 0)).toFixed(2)}%`);
      set(label, "dx", 5);
      set(label, "y", (lane + 1) * tall + 13);
      set(label, "class", place === began && call.began ? "jx-in-run" : "jx-in-wait");
      say(label, place === null ? "" : call.method);
    });
  },

  bornZoom() {
    const button = (sign, factor, says) => make("button", { type: "button", class: "jx-toggle", title: says, "aria-label": says, onclick: () => this.zoomBy(factor) }, sign);
    const legend = [["wait", "waits"], ["ended", "ran"], ["now", "runs"], ["failed", "failed"]].map(([kind, says]) => make("span", { class: `jx-key jx-${kind}` }, says));
    return make("div", { class: "jx-zoom" }, button("−", 0.5, "farther"), button("+", 2, "closer"), make("span", { class: "jx-span" }), make("span", { class: "jx-space" }), ...legend);
  },

  bornChart() {
    const chart = draw("svg", { class: "jx-gantt", width: "100%", role: "img", tabindex: 0, "aria-label": "timeline of the last calls; + and − zoom" }, draw("g", { class: "jx-axis" }), draw("g"));
    chart.addEventListener("keydown", (event) => {
      const factor = { "+": 2, "=": 2, "-": 0.5 }[event.key];
      if (!factor) return;
      event.stopPropagation();
      this.zoomBy(factor);
    });
    return chart;
  },

  zoomBy(factor) {
    this.zoom = Math.min(4096, Math.max(1, this.zoom * factor));
    this.request();
  },
});

// The next of 1, 2, 5, 10, 20, … that is not less.
function stepOf(least) {
  const power = 10 ** Math.floor(Math.log10(least));
  return power * [1, 2, 5, 10].find((each) => each * power >= least * 0.999);
}

function keyedNote(page) {
  let note = page.querySelector(":scope > .jx-more");
  if (!note) page.append((note = make("p", { class: "jx-note jx-more" })));
  return note;
}
