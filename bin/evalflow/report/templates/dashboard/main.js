// The page: panels are drawn when they come into view, and again when the state changes.
const PANELS = new Map();
const announce = (text) => { document.getElementById("status").textContent = text; };
const watcher = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    entry.target.panel.seen = entry.isIntersecting;
    if (entry.isIntersecting && entry.target.panel.stale) entry.target.panel.draw();
  }
}, { rootMargin: "300px" });

/** Return the panels that the state asks for, by param. */
function wantedPanels() {
  const found = [];
  for (const param of state.param) {
    const head = headOf(state.truth, param), own = head ? VIEWS[state.view].panels(head, param) : [];
    const panels = own.map(([parts, make]) => {
      const name = [state.view === "activity" ? "lead" : state.view, ...parts].join();
      if (!PANELS.has(name)) PANELS.set(name, Object.assign(make(), { name }));
      return PANELS.get(name);
    });
    if (panels.length) found.push([param, panels]);
  }
  return found;
}

/** Return the thresholds at which a part has scores of a metric, as far as they are chosen. */
function thresholdsOf(head, metric) {
  const there = head.panels.filter(([one]) => one === metric).map(([, threshold]) => threshold);
  return there.filter((i) => !WORDS.threshold[i] || state.threshold < 0 || state.threshold === i);
}

let shown = "";
/** Put the panels onto the page. */
function arrange() {
  const wanted = wantedPanels(), text = wanted.flatMap(([, own]) => own.map((panel) => panel.name)).join(" ");
  if (text === shown && text) return;
  shown = text;
  watcher.disconnect();
  for (const panel of PANELS.values()) { panel.clear(); panel.seen = false; panel.stale = true; }
  const places = wanted.map(([param, own]) => element("section", { "aria-label": WORDS.param[param] },
    element("h2", {}, WORDS.param[param]), element("div", { class: "param" }, ...own.map((panel) => panel.root))));
  document.getElementById("panels").replaceChildren(...(places.length ? places : [element("p", {}, state.view === "lead" ? "Nothing is chosen: tick metrics and params above." : "There is no such diagram of the params ticked above.")]));
  wanted.forEach(([, own]) => own.forEach((panel) => watcher.observe(panel.root)));
}

const NOTES = {
  parts: () => "MSE is the sum of three parts: bias², unequal spread (σf − σo)² and what a correlation below 1 leaves. A smooth forecast lowers the last one and raises the second. All sources of a param have the same axis.",
  performance: () => "Curves: CSI; dashed lines: frequency bias FBI. A line joins the lead times of a source, from the ring on. Arrow keys go along it.",
  quantiles: () => "For each threshold in the truth: the value that the forecast passes as often, in proportion between the thresholds. Above the diagonal the forecast passes high values too often.",
};

/** Say what bands and marks mean, or why there are none. */
function drawNote() {
  const level = Math.round((1 - ABOUT.level) * 1000) / 10, alone = ABOUT.alone.length ? "† few init times: scores of those that it shares with the first reference, differences of those that both have." : "";
  const lead = `Drag over a plot to zoom all of them, double click or Escape shows everything; arrow keys move the cursor. Bands: ${level} % of the paired difference, from ${ABOUT.min_days} days of data on. ` +
    `Marks on the axis of differences: open p < ${ABOUT.level}, filled also q < ${ABOUT.rate} among all comparisons.${state.percent ? " No percentage is given where the reference is about 0, nor of a bias." : ""}`;
  document.getElementById("note").textContent = [(NOTES[state.view] ?? (() => lead))(), alone].join(" ");
}

/** Draw what the state says. */
async function update() {
  document.getElementById("panels").className = state.tables ? "tables" : "";
  arrange();
  const now = [...PANELS.values()].filter((panel) => panel.root.isConnected);
  now.forEach((panel) => { panel.stale = true; });
  const width = now[0]?.body.clientWidth; // all are as wide, and asking after a change lays the page out anew
  await Promise.all(now.filter((panel) => panel.seen).map((panel) => panel.draw(width)));
  document.documentElement.dataset.drawn = String(Number(document.documentElement.dataset.drawn ?? 0) + 1);
}

/** Choose a stratum; others go back to what there are scores of. */
function choose(name, value) {
  const wanted = { ...state, [name]: value }, found = nearestStrata(wanted, name);
  const lost = STRATA.filter((one) => found[one] !== wanted[one]).map((one) => TITLES[one].replace(/ \[.*/, ""));
  return change(found, true, lost.length ? `. There are no scores of all these together, so ${lost.join(", ")} changed: dashboard.stratification says what is crossed` : "");
}

/** Change the state, and all that shows it. */
async function change(changes, keep = true, more = "") {
  state = { ...state, ...changes };
  if (keep) keepHash();
  drawControls();
  drawLegend();
  drawNote();
  announce(filterText() + more);
  await update();
}

/** Highlight a source while the pointer is over its entry in the legend. */
function hover(source) {
  hovered = source;
  for (const panel of PANELS.values()) if (panel.seen && !panel.stale) panel.weigh();
}

/** Tell the reader why there is nothing to see. */
function complain(text) {
  const place = document.getElementById("problem");
  place.textContent = text;
  place.hidden = false;
}

function start() {
  if (typeof DecompressionStream === "undefined" || typeof IntersectionObserver === "undefined") {
    complain("This browser cannot open the compressed numbers of this page (it has no DecompressionStream). Browsers since 2023 can. The same numbers are in scores.parquet and differences.parquet beside this page.");
    return;
  }
  change(fromHash(location.hash), false).catch((error) => complain(`The numbers of this page cannot be read: ${error.message}`));
  addEventListener("hashchange", () => change(fromHash(location.hash), false));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { COLOURS.clear(); change({}, false); });
  let width = innerWidth;
  addEventListener("resize", () => { if (innerWidth !== width) { width = innerWidth; update(); } });
}
start();
