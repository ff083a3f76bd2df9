// ------------------------------------------------------------------ the columns

const COLUMNS = [
  { key: "name", head: "actor", sort: title, text: title, wide: 13 },
  { key: "cls", head: "class", sort: (a) => a.cls, text: (a) => a.cls, wide: 10 },
  { key: "state", head: "state", sort: (a) => a.state, wide: 11 },
  { key: "runs", head: "runs", sort: (a) => a.since ?? Infinity, wide: 17 },
  { key: "queued", head: "queue", sort: (a) => -a.queued, right: true, wide: 10 },
  { key: "done", head: "done", sort: (a) => -(a.done ?? -1), text: (a) => number(a.done), right: true, wide: 6 },
  { key: "failed", head: "failed", sort: (a) => -(a.failed ?? -1), text: (a) => number(a.failed), right: true, wide: 6 },
  { key: "rate", head: "/s", sort: (a) => -(a.rate ?? -1), text: (a) => number(a.rate), right: true, wide: 6 },
  {
    key: "latency",
    head: "p50 · p95",
    sort: (a) => -(a.p95 ?? -1),
    text: (a) => (a.p50 == null ? "–" : `${seconds(a.p50)} · ${seconds(a.p95)}`),
    right: true,
    wide: 14,
  },
  { key: "restarts", head: "restarts", sort: (a) => -a.restarts - a.asked, right: true, wide: 8 },
  { key: "cpu", head: "CPU", sort: (a) => -(a.cpu ?? -1), text: (a) => (a.cpu == null ? "–" : `${Math.round(a.cpu)} %`), right: true, wide: 7 },
  { key: "rss", head: "memory", sort: (a) => -(a.rss ?? -1), text: (a) => bytes(a.rss) + (a.gpumem ? ` + ${bytes(a.gpumem)}` : ""), right: true, wide: 9 },
  { key: "pins", head: "cores · GPUs", sort: (a) => a.cores.join(), wide: 11 },
  { key: "uptime", head: "up", sort: (a) => a.started ?? Infinity, right: true, wide: 7 },
  { key: "acts", head: "", wide: 9 },
];

const ACTIONS = [
  { op: "interrupt", sign: "■", says: "interrupt the running method; the state stays" },
  { op: "restart", sign: "⟳", says: "restart in a new process" },
  { op: "checkpoint", sign: "⤓", says: "write a checkpoint" },
  { op: "reload", sign: "↻", says: "take the class as it is now; the state stays" },
  { op: "console", sign: "›_", says: "how to attach a console" },
  { op: "kill", sign: "✕", says: "kill", asks: true },
];
const ACTS_OF_A_ROW = ["interrupt", "restart", "kill"];

const restarted = (a) => (a.max_restarts ? `${a.restarts} of ${a.max_restarts < 0 ? "any" : a.max_restarts}` : String(a.restarts));
const gone = (actor) => actor.state === "dead";

function actionButtons(ops, ask) {
  return ops.map((op) => {
    const action = ACTIONS.find((each) => each.op === op);
    return make("button", { class: `jx-act jx-${op}`, type: "button", title: action.says, "data-op": op, onclick: ask }, action.sign);
  });
}
