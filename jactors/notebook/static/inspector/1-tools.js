// The inspector's front end: one table of actors, one actor's panel, a map of who calls whom.
//
//   model.picture  (all actors, a message a tick) ─┐
//   model.detail   (the actor that is looked into) ┴─▶ one paint a frame ─▶ only what differs is written
//   click, key ─▶ model.send({op, ...}) ─▶ the driver; what it answers stands in the status line
//
// Imports nothing and fetches nothing. All text goes through textContent: nothing of an actor's is markup.

const SVG = "http://www.w3.org/2000/svg";
const HISTORY = 40; // samples of a sparkline
const SAMPLE = 500; // milliseconds between two of them
const PRESENT = 16; // samples between two words to the driver that somebody looks: it stops when nobody does

// ------------------------------------------------------------------ small tools

function make(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "class") node.className = value;
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value != null) node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

function draw(tag, props = {}, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(props)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

function say(node, text) {
  if (node.firstChild?.nodeType === 3 && node.childNodes.length === 1) {
    if (node.firstChild.data !== text) node.firstChild.data = text;
  } else if (node.textContent !== text) node.textContent = text;
}

function set(node, name, value) {
  if (value == null || value === false) {
    if (node.hasAttribute(name)) node.removeAttribute(name);
  } else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}

// Make the children of `parent` be one node a key, in order; returns them. Nodes are kept, and moved only if need be.
function keyed(parent, keys, born) {
  const known = (parent._known ??= new Map());
  const wanted = new Set(keys);
  for (const [key, node] of known) {
    if (!wanted.has(key)) {
      node.remove();
      known.delete(key);
    }
  }
  let at = parent.firstElementChild;
  return keys.map((key) => {
    let node = known.get(key);
    if (!node) known.set(key, (node = born(key)));
    if (node === at) at = at.nextElementSibling;
    else parent.insertBefore(node, at);
    return node;
  });
}

function seconds(value) {
  if (value == null) return "–";
  if (value < 0.001) return `${Math.round(value * 1e6)} µs`;
  if (value < 1) return `${value < 0.1 ? (value * 1e3).toFixed(1) : Math.round(value * 1e3)} ms`;
  if (value < 100) return `${value.toFixed(value < 10 ? 1 : 0)} s`;
  const whole = Math.round(value);
  if (whole < 3600) return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")} min`;
  return `${Math.floor(whole / 3600)}:${String(Math.floor((whole % 3600) / 60)).padStart(2, "0")} h`;
}

function age(value) {
  if (value < 60) return `${Math.floor(value)} s`;
  if (value < 3600) return `${Math.floor(value / 60)} min`;
  return value < 172800 ? `${(value / 3600).toFixed(1)} h` : `${Math.floor(value / 86400)} d`;
}

function bytes(value) {
  if (value == null) return "–";
  for (const unit of ["B", "kB", "MB", "GB"]) {
    if (value < 1000) return `${value < 10 && unit !== "B" ? value.toFixed(1) : Math.round(value)} ${unit}`;
    value /= 1000;
  }
  return `${value.toFixed(1)} TB`;
}

function number(value) {
  if (value == null) return "–";
  return value >= 10000 ? `${(value / 1000).toFixed(value < 100000 ? 1 : 0)}k` : String(Math.round(value * 10) / 10);
}

function runsOf(values) {
  const sorted = [...values].map(Number).sort((a, b) => a - b);
  const parts = [];
  for (const value of sorted) {
    const last = parts.at(-1);
    if (last && last[1] === value - 1) last[1] = value;
    else parts.push([value, value]);
  }
  return parts.map(([a, b]) => (a === b ? `${a}` : `${a}–${b}`)).join(",");
}

const title = (actor) => actor.name || actor.id.slice(0, 8);
