// What is shown. It is in the address behind #, by names and only where it differs from the first view.
const CHOICES = ["truth", ...STRATA, "scale"];
const SWITCHES = ["tables", "log", "percent"];
const FIRST = () => ({
  ...Object.fromEntries(CHOICES.map((name) => [name, 0])),
  threshold: -1, // each one in a panel of its own
  reference: ABOUT.references[0] ?? -1,
  metric: ABOUT.headlines.map((name) => WORDS.metric.indexOf(name)),
  param: WORDS.param.map((_, i) => i),
  hidden: [], strong: [], view: "lead", show: "both", tables: false, log: false, percent: false,
  from: LEADS[0], to: LEADS[LEADS.length - 1], lead: LEADS[LEADS.length - 1], // `lead` is that of quantiles
});
let state = FIRST();

const LISTS = { metric: "metric", param: "param", hidden: "source", strong: "source" };
const same = (a, b) => String(a) === String(b);

/** Return the state as text. */
function toHash() {
  const first = FIRST(), text = new URLSearchParams();
  for (const [name, value] of Object.entries(state)) {
    if (same(value, first[name])) continue;
    if (LISTS[name]) text.set(name, JSON.stringify(value.map((i) => WORDS[LISTS[name]][i])));
    else if (CHOICES.includes(name)) text.set(name, WORDS[name][value]);
    else if (name === "threshold") text.set(name, WORDS.threshold[value]);
    else if (name === "reference") text.set(name, WORDS.source[value]);
    else text.set(name, value);
  }
  return text.toString();
}

/** Return the places of names in a list of words; what is not there is left out. */
function placesOf(text, words) {
  try {
    const names = JSON.parse(text);
    return Array.isArray(names) ? names.map((name) => words.indexOf(name)).filter((i) => i >= 0) : null;
  } catch {
    return null;
  }
}

/** Return the state that a text says; what it says wrongly is as at first. */
function fromHash(hash) {
  const found = FIRST();
  for (const [name, text] of new URLSearchParams(hash.replace(/^#/, ""))) {
    const words = WORDS[CHOICES.includes(name) || name === "threshold" ? name : "source"];
    const place = words.findIndex((word) => String(word) === text);
    if (LISTS[name]) found[name] = placesOf(text, WORDS[LISTS[name]]) ?? found[name];
    else if ((CHOICES.includes(name) || name === "threshold") && place >= 0) found[name] = place;
    else if (name === "reference" && ABOUT.references.includes(place)) found[name] = place;
    else if (["from", "to", "lead"].includes(name) && LEADS.includes(Number(text))) found[name] = Number(text);
    else if (name === "show" && ["both", "scores", "differences"].includes(text)) found[name] = text;
    else if (name === "view" && viewsThere().includes(text)) found[name] = text;
    else if (SWITCHES.includes(name)) found[name] = text === "true";
  }
  if (found.from >= found.to) [found.from, found.to] = [LEADS[0], LEADS[LEADS.length - 1]];
  return { ...found, ...nearestStrata(found, WORDS.case[found.case] ? "case" : null) };
}

/** Return the strata nearest to those wanted of which there are scores; what is chosen in `kept` stays. Only what the config asks for is crossed. */
function nearestStrata(wanted, kept = null) {
  const agreed = (one) => STRATA.filter((name, i) => one[i] === wanted[name]).length;
  const able = ABOUT.strata.filter((one) => kept === null || one[STRATA.indexOf(kept)] === wanted[kept]);
  const best = able.reduce((found, one) => (agreed(one) > agreed(found) ? one : found), able[0]);
  return Object.fromEntries(STRATA.map((name, i) => [name, best[i]]));
}

/** Put the state into the address, without a new entry in the history. */
function keepHash() {
  const text = toHash();
  try {
    history.replaceState(null, "", text ? "#" + text : location.pathname + location.search);
  } catch {
    location.hash = text; // a browser that refuses it for files
  }
}
