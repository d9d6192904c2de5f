// What was decided: kept in the browser, undone, written as corrections.csv and read back.
const DECISIONS = ["keep", "fix", "drop"];
const HEAD = "sample,given,corrected,decision";
const REMEMBERED = 1000; // steps that can be undone
const key = `keras-robust review ${data.checksum}`;
const rank = new Map(data.sample.map((sample, at) => [sample, at]));
const decided = new Map(); // sample -> {given, corrected, decision}
let past = []; // steps, the latest last; each a list of [sample, what was decided before or null]

// To be awaited before localStorage is touched. A file's page that asks for it before Chromium has noted that this page
// replaced the last one gets an empty one of its own, without an error, and nothing is kept. This answer comes after that.
async function storageReady() {
  try {
    await navigator.storage.persisted();
  } catch {
    // The browser lacks this question or refuses it here.
  }
}

function restore() {
  decided.clear();
  past = [];
  try {
    const kept = JSON.parse(localStorage.getItem(key) ?? "null");
    if (!kept) return;
    for (const [sample, given, corrected, decision] of kept.decided) decided.set(sample, { given, corrected, decision });
    past = kept.past;
  } catch {
    warn("This browser keeps nothing of what you decide. Download corrections.csv before you close the page.");
  }
}

function save() {
  const rows = [...decided].map(([sample, one]) => [sample, one.given, one.corrected, one.decision]);
  try {
    localStorage.setItem(key, JSON.stringify({ decided: rows, past }));
  } catch {
    warn("This browser keeps nothing of what you decide. Download corrections.csv before you close the page.");
  }
}

// One step: [sample, decision or null] pairs.
function step(changes) {
  past.push(changes.map(([sample]) => [sample, decided.get(sample) ?? null]));
  past = past.slice(-REMEMBERED);
  apply(changes);
}

function apply(changes) {
  for (const [sample, one] of changes) one ? decided.set(sample, one) : decided.delete(sample);
  save();
}

// Takes the last step back and returns the samples that it was about.
function undo() {
  const last = past.pop();
  if (last) apply(last);
  return last?.map(([sample]) => sample) ?? [];
}

// A decision; who takes the class that was given keeps it.
function decision(given, kind, corrected) {
  if (kind === "fix" && corrected === given) kind = "keep";
  return { given, corrected: kind === "fix" ? corrected : given, decision: kind };
}

function toCsv() {
  const rows = [...decided].sort(([a], [b]) => a - b);
  const lines = rows.map(([sample, one]) => [sample, one.given, one.corrected, one.decision].join(","));
  return [HEAD, ...lines, ""].join("\r\n");
}

// The rows of a corrections.csv as pairs for `step`; an error says what is wrong with it.
function fromCsv(text) {
  const lines = text.replace(/^\ufeff/, "").split(/\r\n|\n|\r/).filter((line) => line.trim());
  const cells = (line) => line.split(",").map((cell) => cell.trim().replace(/^"(.*)"$/, "$1"));
  const head = cells(lines[0] ?? "");
  const columns = HEAD.split(",").map((name) => head.indexOf(name));
  if (columns.includes(-1)) throw new Error(`it must have the columns ${HEAD}`);
  return lines.slice(1).map((line, number) => {
    const row = cells(line), [sample, given, corrected, kind] = columns.map((column) => row[column]);
    const whole = [sample, given, corrected].every((cell) => /^\d+$/.test(cell ?? ""));
    const label = Number(corrected);
    const fits = whole && Number(sample) < data.size && label < data.classes.length && DECISIONS.includes(kind);
    if (!fits || (kind === "keep" && corrected !== given)) throw new Error(`line ${number + 2} is no decision: ${line}`);
    const at = rank.get(Number(sample));
    if (at !== undefined && data.given[at] !== Number(given))
      throw new Error(`it belongs to other labels: sample ${sample} has class ${data.given[at]} here, ${given} there`);
    return [Number(sample), decision(Number(given), kind, label)];
  });
}
