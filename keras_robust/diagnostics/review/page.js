// Filters, keys, dialogs: what a person does.
const $ = (id) => document.getElementById(id);
const DIGITS = data.classes.length <= 10;
let asking = 0; // place of the card that the chooser is for
let offered = []; // class ids in its list
let marked = 0; // which of them

function warn(text) {
  $("warning").hidden = !text;
  $("warning").textContent = text;
}

function say(text) {
  $("said").textContent = text;
}

function fillFilter(select, ids) {
  const counts = new Map();
  for (const id of ids) counts.set(id, (counts.get(id) ?? 0) + 1);
  select.append(make("option", { value: "", textContent: "all" }));
  for (const id of [...counts.keys()].sort((a, b) => a - b))
    select.append(make("option", { value: id, textContent: `${nameOf(id)} (${counts.get(id)})` }));
}

function filter() {
  const [given, believed, show] = ["given", "believed", "show"].map((id) => $(id).value);
  shown = data.sample.map((_, at) => at).filter((at) =>
    (given === "" || data.given[at] === Number(given))
    && (believed === "" || data.believed[at] === Number(believed))
    && (show === "all" || decided.has(data.sample[at]) === (show === "decided")));
  if (!shown.includes(current)) current = shown.find((at) => at > current) ?? shown.at(-1) ?? 0;
  $("nothing").hidden = shown.length > 0;
}

function count() {
  const kinds = { keep: 0, fix: 0, drop: 0 };
  let here = 0;
  for (const [sample, one] of decided) {
    if (!rank.has(sample)) continue;
    here += 1;
    kinds[one.decision] += 1;
  }
  const all = data.sample.length, elsewhere = decided.size - here;
  $("done").style.width = `${(100 * here) / (all || 1)}%`;
  $("track").setAttribute("aria-valuemax", all);
  $("track").setAttribute("aria-valuenow", here);
  $("counts").textContent = `${here} of ${all.toLocaleString("en")} decided: ${kinds.keep} kept, ${kinds.fix} changed, ${kinds.drop} dropped`
    + (elsewhere ? `; ${elsewhere} more from a file` : "");
  $("undo").disabled = !past.length;
  $("download").disabled = !decided.size;
}

function refresh() {
  filter();
  count();
  draw();
}

function makeCurrent(at) {
  if (at === current) return;
  current = at;
  for (const [place, node] of built) mark(place, node);
}

// Brings the current card into sight and gives it the focus.
function reach() {
  const place = shown.indexOf(current);
  if (place < 0) return;
  const line = height + GAP, top = feed.offsetTop + Math.floor(place / columns) * line;
  const bar = getComputedStyle($("bar")).position === "sticky" ? $("bar").offsetHeight : 0;
  if (top < scrollY + bar + GAP) scrollTo(0, top - bar - GAP);
  else if (top + height > scrollY + innerHeight - GAP) scrollTo(0, top + height - innerHeight + GAP);
  draw();
  built.get(current)?.focus({ preventScroll: true });
}

function move(by) {
  if (!shown.length) return;
  const place = Math.max(0, shown.indexOf(current)) + by;
  current = shown[Math.min(shown.length - 1, Math.max(0, place))];
  reach();
}

// Decides on a card. With keys the next undecided one is current then; with the mouse nothing moves.
function decide(at, kind, corrected, onward) {
  const one = decision(data.given[at], kind, corrected), sample = data.sample[at];
  step([[sample, one]]);
  say(`Sample ${sample}: ${{ keep: "kept", drop: "dropped", fix: `changed to ${data.classes[one.corrected]}` }[one.decision]}`);
  if (onward) {
    const later = shown.slice(shown.indexOf(at) + 1);
    current = later.find((place) => !decided.has(data.sample[place])) ?? later[0] ?? at;
  }
  refresh();
  if (onward) reach();
}

function choose(at, kind, onward) {
  if (!shown.includes(at)) return;
  if (kind === "other") return ask(at, onward);
  const believed = data.believed[at];
  if (kind !== "take") return decide(at, kind, null, onward);
  if (believed >= 0) decide(at, "fix", believed, onward);
}

// A button: pressed again, it takes its decision back.
function pressed(at, kind) {
  if (kind === "other" || chosen(at) !== kind) return choose(at, kind, false);
  step([[data.sample[at], null]]);
  say(`Sample ${data.sample[at]}: undecided`);
  refresh();
}

function takeBack() {
  const samples = undo().filter((sample) => rank.has(sample));
  refresh();
  if (!samples.length) return;
  say(`Undone: sample ${samples[0]}`);
  if (!shown.includes(rank.get(samples[0]))) return;
  current = rank.get(samples[0]);
  reach();
}

function ask(at, onward) {
  asking = at;
  $("chooser").dataset.onward = onward ? "yes" : "";
  $("asked").textContent = `Another class for sample ${data.sample[at]}`;
  $("wanted").value = "";
  offer();
  $("chooser").showModal();
}

function offer() {
  const words = $("wanted").value.trim().toLowerCase();
  const ids = data.classes.map((_, id) => id);
  const fits = (id) => data.classes[id].toLowerCase().includes(words) || String(id) === words;
  const exact = (id) => data.classes[id].toLowerCase() === words || String(id) === words;
  offered = ids.filter(fits).sort((a, b) => exact(b) - exact(a)).slice(0, 50);
  marked = 0;
  $("classes").replaceChildren(...offered.map((id, place) => {
    const named = data.classes[id] === String(id) ? String(id) : `${data.classes[id]} (${id})`;
    const node = make("li", { id: `class-${id}`, role: "option", textContent: named });
    node.addEventListener("click", () => { marked = place; take(); });
    return node;
  }));
  point(0);
}

function point(by) {
  marked = Math.min(offered.length - 1, Math.max(0, marked + by));
  [...$("classes").children].forEach((node, place) => node.setAttribute("aria-selected", place === marked));
  $("wanted").setAttribute("aria-activedescendant", offered.length ? `class-${offered[marked]}` : "");
  $("classes").children[marked]?.scrollIntoView({ block: "nearest" });
}

function take() {
  if (!offered.length) return;
  $("chooser").close();
  decide(asking, "fix", offered[marked], $("chooser").dataset.onward === "yes");
}

function download() {
  const link = make("a", { href: URL.createObjectURL(new Blob([toCsv()], { type: "text/csv" })), download: "corrections.csv" });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

async function load(file) {
  try {
    const changes = fromCsv(await file.text());
    if (changes.length) step(changes);
    warn("");
    say(`${changes.length} decisions loaded`);
  } catch (error) {
    warn(`${file.name} was not loaded: ${error.message}.`);
  }
  refresh();
}

const KEYS = {
  k: () => choose(current, "keep", true), b: () => choose(current, "take", true), c: () => choose(current, "other", true),
  d: () => choose(current, "drop", true), u: takeBack, "?": () => $("help").showModal(),
  arrowleft: () => move(-1), arrowright: () => move(1), arrowup: () => move(-columns), arrowdown: () => move(columns),
  home: () => move(-Infinity), end: () => move(Infinity),
};

await storageReady(); // nothing is decided before what was kept is read
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, select, dialog"), name = event.key.toLowerCase();
  if (typing || event.altKey || (name === "z" ? !(event.ctrlKey || event.metaKey) : event.ctrlKey || event.metaKey)) return;
  const action = name === "z" ? takeBack : KEYS[name];
  if (action) action();
  else if (DIGITS && /^\d$/.test(name) && Number(name) < data.classes.length && shown.includes(current))
    decide(current, "fix", Number(name), true);
  else return;
  event.preventDefault();
});

$("wanted").addEventListener("input", offer);
$("wanted").addEventListener("keydown", (event) => {
  const action = { ArrowDown: () => point(1), ArrowUp: () => point(-1), Enter: take }[event.key];
  if (!action) return;
  event.preventDefault();
  action();
});
// A list chosen from by mouse or finger gives the keys back to the cards; one reached by keys keeps them, to go on.
for (const id of ["given", "believed", "show"]) {
  let byKeys = false;
  $(id).addEventListener("keydown", () => { byKeys = true; });
  $(id).addEventListener("change", () => {
    if (!byKeys) $(id).blur();
    byKeys = false;
    refresh();
    scrollTo(0, 0);
  });
}
$("undo").addEventListener("click", takeBack);
$("download").addEventListener("click", download);
$("load").addEventListener("click", () => $("file").click());
$("file").addEventListener("change", async () => { await load($("file").files[0]); $("file").value = ""; });
$("keys").addEventListener("click", () => $("help").showModal());
addEventListener("scroll", draw, { passive: true });
addEventListener("resize", layout);
addEventListener("storage", (event) => { if (event.key === key) { restore(); refresh(); } }); // another tab

document.title = data.title;
$("title").textContent = data.title;
$("about").textContent = data.about;
$("digits").hidden = $("digitsmean").hidden = !DIGITS;
fillFilter($("given"), data.given);
fillFilter($("believed"), data.believed);
restore();
current = Math.max(0, data.sample.findIndex((sample) => !decided.has(sample)));
filter();
count();
layout();
feed.setAttribute("aria-busy", "false");
