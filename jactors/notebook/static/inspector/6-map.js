// ------------------------------------------------------------------ who calls whom

Object.assign(Panel.prototype, {

  paintMap() {
    this.map.style.display = this.view === "map" ? "" : "none";
    if (this.view !== "map") return;
    const edges = this.picture?.edges ?? [];
    const actors = (this.picture?.actors ?? []).filter((actor) => !gone(actor));
    const names = new Map(actors.map((actor) => [actor.id, title(actor)]));
    const ids = [...new Set([...edges.flatMap(([from, to]) => [from, to]), ...names.keys()])].slice(0, 120);
    const ranks = rankOf(ids, edges);
    const columns = [];
    for (const id of ids) (columns[ranks.get(id)] ??= []).push(id);
    const wide = 1000;
    const tall = Math.max(160, 44 * Math.max(1, ...columns.map((column) => column?.length ?? 0)));
    set(this.map, "viewBox", `0 0 ${wide} ${tall}`);
    const places = new Map();
    columns.forEach((column, at) =>
      column.forEach((id, row) => places.set(id, [(wide * (at + 0.5)) / columns.length, (tall * (row + 0.5)) / column.length])),
    );
    const [lines, nodes] = keyed(this.map, ["edges", "nodes"], () => draw("g"));
    const drawn = edges.filter(([from, to]) => places.has(from) && places.has(to));
    const paths = keyed(lines, drawn.map(([from, to]) => `${from} ${to}`), () => draw("g", {}, draw("title"), draw("path"), draw("text", { class: "jx-rate" })));
    drawn.forEach(([from, to, rate, calls], at) => {
      const [x1, y1] = places.get(from);
      const [x2, y2] = places.get(to);
      const [name, path, label] = paths[at].children;
      const bend = x2 > x1 ? (x2 - x1) / 2 : 90;
      const far = ranks.get(to) - ranks.get(from);
      const lift = far > 1 ? 32 + 14 * far : 0; // over what stands between
      set(path, "d", `M ${x1 + 62} ${y1} C ${x1 + 62 + bend * 0.7} ${y1 - lift}, ${x2 - 62 - bend * 0.7} ${y2 - lift}, ${x2 - 62} ${y2}`);
      set(path, "stroke-width", (1 + 2 * Math.log10(1 + rate)).toFixed(1));
      set(path, "class", rate > 0 ? "jx-edge jx-live" : "jx-edge");
      set(label, "x", (x1 + x2) / 2);
      set(label, "y", (y1 + y2) / 2 - 4 - 0.75 * lift);
      say(label, rate > 0 ? `${number(rate)}/s` : "");
      say(name, `${names.get(from) ?? from} → ${names.get(to) ?? to}: ${number(calls)} calls, ${number(rate)} a second`);
    });
    const boxes = keyed(nodes, [...places.keys()], (id) => {
      const node = draw("g", { class: "jx-node", tabindex: "0", role: "button" }, draw("title"), draw("rect", { x: -60, y: -14, width: 120, height: 28, rx: 4 }), draw("text", { "text-anchor": "middle", y: 4 }));
      const look = () => this.actor(id) && this.look(id);
      node.addEventListener("click", look);
      node.addEventListener("keydown", (event) => (event.key === "Enter" || event.key === " ") && (event.preventDefault(), look()));
      return node;
    });
    [...places].forEach(([id, [x, y]], at) => {
      const actor = this.actor(id);
      set(boxes[at], "transform", `translate(${x} ${y})`);
      set(boxes[at], "data-state", actor?.state ?? "driver");
      const text = names.get(id) ?? id;
      say(boxes[at].firstChild, actor ? `${text}: ${actor.cls}, ${actor.state}, ${actor.queued} queued` : text);
      say(boxes[at].lastChild, text.length > 17 ? `${text.slice(0, 16)}…` : text);
    });
  },
});

// How far from a caller that nobody calls; a cycle ends where it began.
function rankOf(ids, edges) {
  const ranks = new Map(ids.map((id) => [id, 0]));
  for (let turn = 0; turn < Math.min(ids.length, 12); turn += 1) {
    let moved = false;
    for (const [from, to] of edges) {
      if (from === to || !ranks.has(from) || !ranks.has(to)) continue;
      const rank = Math.min(ranks.get(from) + 1, 6);
      if (ranks.get(to) < rank && !reaches(to, from, edges)) {
        ranks.set(to, rank);
        moved = true;
      }
    }
    if (!moved) break;
  }
  return ranks;
}

function reaches(from, to, edges, seen = new Set()) {
  if (from === to) return true;
  seen.add(from);
  return edges.some(([a, b]) => a === from && !seen.has(b) && reaches(b, to, edges, seen));
}
