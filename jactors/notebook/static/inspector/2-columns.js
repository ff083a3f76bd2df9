// ------------------------------------------------------------------ the columns

// Widths in pixels; those without one share what is left. Where the panel is narrow, inspector.css hides the columns that
// are least missed: they stand in the page about the one actor, too.
const COLUMNS = [
  { key: "name", head: "actor", sort: title, text: title },
  { key: "cls", head: "class", sort: (a) => a.cls, text: (a) => a.cls, wide: 78 },
  { key: "state", head: "state", sort: (a) => a.state, wide: 92 },
  { key: "runs", head: "runs", sort: (a) => a.since ?? Infinity },
  { key: "queued", head: "queue", sort: (a) => -a.queued, right: true, wide: 88 },
  { key: "done", head: "done", sort: (a) => -(a.done ?? -1), text: (a) => number(a.done), right: true, wide: 56 },
  { key: "failed", head: "failed", sort: (a) => -(a.failed ?? -1), text: (a) => number(a.failed), right: true, wide: 50 },
  { key: "rate", head: "/s", sort: (a) => -(a.rate ?? -1), text: (a) => number(a.rate), right: true, wide: 50 },
  { key: "latency", head: "p50 · p95", sort: (a) => -(a.p95 ?? -1), text: (a) => latency(a), right: true, wide: 122 },
  { key: "restarts", head: "restarts", sort: (a) => -a.restarts - a.asked, right: true, wide: 80 },
  { key: "cpu", head: "CPU", sort: (a) => -(a.cpu ?? -1), text: (a) => percent(a.cpu), right: true, wide: 48 },
  { key: "rss", head: "memory", sort: (a) => -(a.rss ?? -1), text: (a) => bytes(a.rss), right: true, wide: 66 },
  { key: "pins", head: "cores · GPUs", sort: (a) => a.cores.join(), text: (a) => pins(a) || "any", wide: 100 },
  { key: "uptime", head: "up", sort: (a) => a.started ?? Infinity, right: true, wide: 48 },
  { key: "acts", head: "", wide: 84 },
];

// What can be done, and its sign as a path of 16 by 16.
const ACTIONS = [
  { op: "interrupt", sign: "M4.5 4.5h7v7h-7z", solid: true, says: "interrupt the running method; the state stays" },
  { op: "restart", sign: "M13 8a5 5 0 1 1-1.5-3.6M13 1.8v3h-3", says: "restart in a new process" },
  { op: "checkpoint", sign: "M8 2.5v7M5 7l3 3 3-3M3 13h10", says: "write a checkpoint" },
  { op: "reload", sign: "M5 4.5 1.8 8 5 11.5M11 4.5 14.2 8 11 11.5M9.2 3 6.8 13", says: "take the class as it is now; the state stays" },
  { op: "console", sign: "M2.5 4 6.5 8l-4 4M8 12.5h5.5", says: "how to attach a console" },
  { op: "kill", sign: "M4 4l8 8M12 4l-8 8", says: "kill", asks: true },
];
const ACTS_OF_A_ROW = ["interrupt", "restart", "kill"];

const restarted = (a) => (a.max_restarts ? `${a.restarts} of ${a.max_restarts < 0 ? "any" : a.max_restarts}` : String(a.restarts));
const percent = (value) => (value == null ? "–" : `${Math.round(value)} %`);
const latency = (a) => (a.p50 == null ? "–" : `${seconds(a.p50)} · ${seconds(a.p95)}`);
const pins = (a) => [a.cores.length ? `${a.cores.length > 1 ? "cores" : "core"} ${runsOf(a.cores)}` : "", a.gpus.length ? `GPU ${a.gpus.join(",")}` : ""].filter(Boolean).join(" · ");
const gone = (actor) => actor.state === "dead";

function actionButtons(ops, ask, labelled = false) {
  return ops.map((op) => {
    const action = ACTIONS.find((each) => each.op === op);
    const sign = draw("svg", { viewBox: "0 0 16 16", class: action.solid ? "jx-sign jx-solid" : "jx-sign", "aria-hidden": "true" }, draw("path", { d: action.sign }));
    const label = labelled ? [make("span", {}, op)] : [];
    return make("button", { class: `jx-act jx-${op}`, type: "button", title: action.says, "aria-label": op, "data-op": op, onclick: ask }, sign, ...label);
  });
}
