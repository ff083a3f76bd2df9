// ------------------------------------------------------------------ the overview

Object.assign(Panel.prototype, {
  paintHead(actors) {
    const all = (this.picture?.actors ?? []).filter((actor) => !gone(actor));
    const sum = (key) => all.reduce((total, actor) => total + (actor[key] ?? 0), 0);
    const parts = [`${all.length} actor${all.length === 1 ? "" : "s"}`];
    const busy = all.filter((actor) => actor.state === "busy").length;
    if (busy) parts.push(`${busy} busy`);
    parts.push(`${number(sum("queued"))} queued`, `${number(sum("rate"))} calls/s`, bytes(sum("rss")));
    say(this.totals, parts.join("  ·  "));
    for (const [button, on] of [
      [this.toggles[0], this.grouped],
      [this.toggles[1], this.dead],
      [this.toggles[2], this.view === "map"],
    ])
      set(button, "aria-pressed", on);
    for (const [key, th] of this.heads)
      set(th, "aria-sort", this.sort.key === key ? (this.sort.down ? "descending" : "ascending") : null);
    say(
      this.empty,
      actors.length ? "" : this.filter ? "no actor matches the filter" : (this.picture?.note ?? "no living actors: Counter.remote() makes one"),
    );
    this.scroll.hidden = this.view === "map" || !actors.length;
    this.empty.hidden = actors.length > 0 || this.view === "map";
  },

  paintResources() {
    const resources = this.picture?.resources ?? {};
    const bars = keyed(this.resources, Object.keys(resources), () => make("div", { class: "jx-resource" }, make("span"), make("div", { class: "jx-bar" }), make("span", { class: "jx-free" })));
    for (const [index, [name, { total, free, holders }]] of Object.entries(resources).entries()) {
      const [label, bar, left] = bars[index].children;
      const amount = name === "memory" ? bytes : number;
      say(label, name);
      say(left, `${amount(total - free)} of ${amount(total)}`);
      const parts = keyed(bar, holders.map(([who], at) => `${at} ${who}`), () => make("span"));
      holders.forEach(([who, held], at) => {
        set(parts[at], "style", `width: ${((100 * held) / (total || 1)).toFixed(2)}%`);
        set(parts[at], "title", `${who}: ${amount(held)} ${name}`);
        say(parts[at], held / (total || 1) > 0.09 ? who : "");
      });
    }
  },

  paintTable(actors) {
    const keys = [];
    let last = null;
    for (const actor of actors) {
      if (this.grouped && actor.cls !== last) keys.push(`class ${(last = actor.cls)}`);
      keys.push(actor.id);
    }
    const rows = keyed(this.body, keys, (key) => (key.startsWith("class ") ? this.bornGroup(key.slice(6)) : this.bornRow(key)));
    const known = new Map(actors.map((actor) => [actor.id, actor]));
    rows.forEach((row, at) => {
      const actor = known.get(keys[at]);
      if (actor) this.paintRow(row, actor);
      else {
        const group = actors.filter((each) => each.cls === row.dataset.group);
        const queued = group.reduce((sum, each) => sum + each.queued, 0);
        say(row.firstChild.firstChild, `${row.dataset.group} × ${group.length}${queued ? `, ${queued} queued` : ""}`);
      }
    });
  },

  bornGroup(cls) {
    const row = make("tr", { class: "jx-group" }, make("th", { scope: "rowgroup" }, make("span")));
    row.dataset.group = cls;
    return row;
  },

  bornRow(id) {
    const row = make("tr", { tabindex: "0", onclick: () => this.look(this.selected === id ? "" : id) });
    row.dataset.id = id;
    row._cells = {};
    for (const column of COLUMNS) {
      const cell = make("td", { class: `jx-${column.key}${column.right ? " jx-right" : ""}` });
      if (column.key === "state") cell.append(make("span", { class: "jx-dot" }), make("span"));
      if (column.key === "queued") {
        const line = draw("polyline", { points: "" });
        cell.append(draw("svg", { class: "jx-spark", viewBox: "0 0 60 14", preserveAspectRatio: "none", "aria-hidden": "true" }, line), make("span", { class: "jx-depth" }));
      }
      if (column.key === "acts") cell.append(...actionButtons(ACTS_OF_A_ROW, (event) => this.onAct(event, id)));
      row._cells[column.key] = cell;
      row.append(cell);
    }
    return row;
  },

  paintRow(row, actor) {
    const cells = row._cells;
    set(row, "data-state", actor.state);
    set(row, "aria-selected", actor.id === this.selected ? "true" : null);
    for (const column of COLUMNS) if (column.text) say(cells[column.key], column.text(actor));
    set(cells.name, "title", `${title(actor)}: ${actor.cls} ${actor.id}`);
    say(cells.state.lastChild, actor.state);
    set(cells.state, "title", actor.reason || null);
    if (actor.runs) {
      const more = actor.more ? ` +${actor.more}` : "";
      say(cells.runs, `${actor.runs}${more} ${seconds(Math.max(0, this.now() - actor.since))}`);
    } else say(cells.runs, actor.state === "pending" || gone(actor) || actor.state === "restarting" ? actor.reason : "");
    set(cells.runs, "title", actor.reason || actor.runs || null);
    say(cells.queued.lastChild, number(actor.queued));
    const depths = this.history.get(actor.id) ?? [];
    const most = Math.max(1, ...depths);
    set(cells.queued.firstChild.firstChild, "points", depths.map((depth, at) => `${(60 - (60 * (depths.length - 1 - at)) / (HISTORY - 1)).toFixed(1)},${(13 - (12 * depth) / most).toFixed(1)}`).join(" "));
    say(cells.restarts, restarted(actor) + (actor.asked ? ` +${actor.asked}` : ""));
    set(cells.restarts, "title", actor.asked ? `${restarted(actor)}, and ${actor.asked} on request` : null);
    say(cells.uptime, actor.started && !gone(actor) ? age(Math.max(0, this.now() - actor.started)) : "–");
    for (const button of cells.acts.children) {
      const off = gone(actor) || (button.dataset.op === "interrupt" && actor.state !== "busy");
      if (button.disabled !== off) button.disabled = off;
    }
  },
});
