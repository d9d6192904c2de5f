// The cards: only those in sight, and a row above and below, are in the page.
const GAP = 14, NARROWEST = 300;
const withText = data.text !== null, withPicture = data.image !== null;
const feed = document.getElementById("cards");
const built = new Map(); // place in the data -> its card
let shown = []; // places that the filters let through
let current = 0; // place of the card that keys are for
let columns = 1, width = NARROWEST, height = 0;

function make(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

function layout() {
  const room = feed.clientWidth, large = matchMedia("(max-width: 640px), (pointer: coarse)").matches;
  columns = Math.max(1, Math.floor((room + GAP) / (NARROWEST + GAP)));
  width = (room - GAP * (columns - 1)) / columns;
  height = (withPicture ? 164 : 156) + (withText ? 120 : 0) + (data.path ? 26 : 0) + (large ? 8 : 0);
  draw();
}

function draw() {
  const line = height + GAP, rows = Math.ceil(shown.length / columns);
  feed.style.height = `${Math.max(0, rows * line - GAP)}px`;
  const above = scrollY - feed.offsetTop;
  const first = Math.max(0, Math.floor(above / line) - 1), last = Math.ceil((above + innerHeight) / line) + 1;
  const sight = shown.slice(first * columns, Math.max(first, last) * columns);
  const wanted = new Set(sight);
  for (const [at, card] of built) {
    if (wanted.has(at)) continue;
    card.remove();
    built.delete(at);
  }
  let before = null;
  sight.forEach((at, offset) => {
    const place = first * columns + offset;
    if (!built.has(at)) built.set(at, card(at));
    const node = built.get(at);
    node.style.left = `${(place % columns) * (width + GAP)}px`;
    node.style.top = `${Math.floor(place / columns) * line}px`;
    node.style.width = `${width}px`;
    node.style.height = `${height}px`;
    node.setAttribute("aria-posinset", place + 1);
    node.setAttribute("aria-setsize", shown.length);
    mark(at, node);
    // The order in the page is the order of Tab. What is in place already is not moved: it would lose the focus.
    const next = before ? before.nextSibling : feed.firstChild;
    if (next !== node) feed.insertBefore(node, next);
    before = node;
  });
}

function card(at) {
  const given = data.classes[data.given[at]], believed = nameOf(data.believed[at]);
  const told = make("div", { className: "told" },
    make("div", { className: "names" },
      make("span", { textContent: given, title: given }), make("span", { className: "arrow", textContent: "→" }),
      make("span", { textContent: believed, title: believed })),
    make("div", { className: "line" },
      make("span", { className: "facts", textContent: `#${data.sample[at]} · margin ${number(data.margin[at])}` }),
      make("span", { className: "state" })),
    curve(data.curve[at]));
  const top = make("div", { className: "top" });
  if (withPicture && data.image[at]) {
    const small = data.small[at] ? " small" : "";
    top.append(make("img", { className: `picture${small}`, src: data.image[at], alt: `sample ${data.sample[at]}` }));
  }
  top.append(told);
  const node = make("article", { className: "card", tabIndex: -1 }, top);
  if (withText) node.append(make("p", { className: "text", textContent: data.text[at] }));
  if (data.path) node.append(make("div", { className: "path", textContent: data.path[at], title: data.path[at] }));
  node.append(choices(at, believed));
  node.addEventListener("focusin", () => makeCurrent(at));
  node.addEventListener("pointerdown", () => makeCurrent(at));
  return node;
}

function choices(at, believed) {
  const button = (kind, letter, words, title) => {
    const one = make("button", { type: "button", className: kind, textContent: words, title });
    one.dataset.kind = kind;
    one.append(make("kbd", { textContent: letter, ariaHidden: "true" }));
    one.setAttribute("aria-label", `${title}, sample ${data.sample[at]}`);
    one.addEventListener("click", () => pressed(at, kind));
    return one;
  };
  const all = [button("keep", "K", "Keep", `Keep ${data.classes[data.given[at]]}`)];
  if (data.believed[at] >= 0 && data.believed[at] !== data.given[at])
    all.push(button("take", "B", `→ ${believed}`, `Take ${believed}`));
  all.push(button("other", "C", "Other…", "Another class"), button("drop", "D", "Drop", "Drop"));
  return make("div", { className: "choices" }, ...all);
}

// What a card shows of its decision.
function mark(at, node) {
  const one = decided.get(data.sample[at]);
  const state = !one ? "" : { keep: "kept", drop: "dropped", fix: `now ${data.classes[one.corrected]}` }[one.decision];
  node.classList.toggle("current", at === current);
  node.tabIndex = at === current ? 0 : -1;
  node.dataset.sample = data.sample[at];
  if (one) node.dataset.decision = one.decision;
  else delete node.dataset.decision;
  node.querySelector(".state").textContent = state;
  for (const button of node.querySelectorAll("[data-kind]"))
    button.setAttribute("aria-pressed", chosen(at) === button.dataset.kind);
  const name = `Suspect ${at + 1}, sample ${data.sample[at]}: given ${data.classes[data.given[at]]}, `
    + `model believes ${nameOf(data.believed[at])}, ${margins(data.curve[at])}; ${state || "undecided"}`;
  node.setAttribute("aria-label", name);
}

// The button that a decision belongs to.
function chosen(at) {
  const one = decided.get(data.sample[at]);
  if (!one) return null;
  if (one.decision !== "fix") return one.decision;
  return one.corrected === data.believed[at] ? "take" : "other";
}

function nameOf(id) {
  return id < 0 ? "nothing" : data.classes[id];
}

function margins(values) {
  const known = values.filter((value) => value !== null);
  if (!known.length) return "no margin";
  return `margin from ${number(known[0])} to ${number(known.at(-1))}`;
}

function number(value) {
  return value.toFixed(1).replace("-", "−");
}

// The margin over the epochs; all cards have the same scale, and a dashed line at 0.
function curve(values) {
  const [low, high] = data.range, name = "http://www.w3.org/2000/svg";
  const draw = (tag, attributes) => {
    const node = document.createElementNS(name, tag);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    return node;
  };
  const y = (value) => (34 * (high - value)) / (high - low || 1);
  const x = (epoch) => (values.length > 1 ? (100 * epoch) / (values.length - 1) : 50);
  const points = values.map((value, epoch) => (value === null ? null : `${x(epoch).toFixed(1)},${y(value).toFixed(1)}`));
  const svg = draw("svg", { class: "curve", viewBox: "0 0 100 34", preserveAspectRatio: "none", "aria-hidden": "true" });
  svg.append(draw("line", { x1: 0, x2: 100, y1: y(0), y2: y(0) }));
  svg.append(draw("polyline", { points: points.filter(Boolean).join(" ") }));
  return svg;
}
