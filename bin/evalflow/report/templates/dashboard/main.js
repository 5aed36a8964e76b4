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
    const head = headOf(state.truth, param), own = [];
    if (head) for (const metric of state.metric) for (const threshold of thresholdsOf(head, metric)) {
      const name = [param, metric, threshold].join();
      if (!PANELS.has(name)) PANELS.set(name, new Panel(param, metric, threshold));
      own.push(PANELS.get(name));
    }
    if (own.length) found.push([param, own]);
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
  const wanted = wantedPanels(), text = wanted.flatMap(([, own]) => own.map((panel) => [panel.param, panel.metric, panel.threshold].join())).join(" ");
  if (text === shown && text) return;
  shown = text;
  watcher.disconnect();
  for (const panel of PANELS.values()) { panel.clear(); panel.seen = false; panel.stale = true; }
  const places = wanted.map(([param, own]) => element("section", { "aria-label": WORDS.param[param] },
    element("h2", {}, WORDS.param[param]), element("div", { class: "param" }, ...own.map((panel) => panel.root))));
  document.getElementById("panels").replaceChildren(...(places.length ? places : [element("p", {}, "Nothing is chosen: tick metrics and params above.")]));
  wanted.forEach(([, own]) => own.forEach((panel) => watcher.observe(panel.root)));
}

/** Say what bands and marks mean, or why there are none. */
function drawNote() {
  const level = Math.round((1 - ABOUT.level) * 1000) / 10;
  document.getElementById("note").textContent = `Drag over a plot to zoom all of them, double click or Escape shows everything; arrow keys move the cursor. Bands: ${level} % of the paired difference, from ${ABOUT.min_days} days of data on. ` +
    `Marks on the axis of differences: open p < ${ABOUT.level}, filled also q < ${ABOUT.rate} among all comparisons.`;
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

/** Change the state, and all that shows it. */
async function change(changes, keep = true) {
  state = { ...state, ...changes };
  if (keep) keepHash();
  drawControls();
  drawLegend();
  announce(filterText());
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
  drawNote();
  change(fromHash(location.hash), false).catch((error) => complain(`The numbers of this page cannot be read: ${error.message}`));
  addEventListener("hashchange", () => change(fromHash(location.hash), false));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { COLOURS.clear(); change({}, false); });
  let width = innerWidth;
  addEventListener("resize", () => { if (innerWidth !== width) { width = innerWidth; update(); } });
}
start();
