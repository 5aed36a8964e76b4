// What all panels have: a heading, a body, the numbers under the cursor, buttons that save it, keys.
let active = null; // the panel under the pointer or with the focus: it shows the numbers
const TRUTH = WORDS.source.length; // stands for the truth among the sources, where it has a line of its own
const ALONE = " †";

/** Return how a source is called; the truth is one that has no name in the tables. */
const labelOf = (source) => ABOUT.sources[source].label;
const sourceName = (source) => WORDS.source[source] ?? "";
const shownSources = () => WORDS.source.map((_, i) => i).filter((i) => !state.hidden.includes(i));
/** Return the lead times shown, as places. */
const leadsInside = () => LEADS.map((_, i) => i).filter((i) => LEADS[i] >= state.from && LEADS[i] <= state.to);
/** Return what names a series besides its source. */
const codesOf = (metric, threshold) => [metric, threshold, state.scale, ...STRATA.map((name) => state[name])];
const metricNamed = (name) => WORDS.metric.indexOf(name);

class Frame {
  constructor(param) {
    Object.assign(this, { param, seen: false, stale: true, place: -1 });
  }

  /** Make the elements; `about` is added to the title for those who do not see. */
  build(about, long = "") {
    this.body = element("div", { class: "plots" });
    this.tip = element("div", { class: "tip", hidden: true, "aria-live": "polite" });
    this.hint = element("p", { class: "hint small soft" });
    const tools = ["svg", "png", "csv"].map((kind) => element("button", {
      type: "button", "aria-label": `save ${this.title()} as ${kind.toUpperCase()}`, onclick: () => exportPanel(this, kind),
    }, kind.toUpperCase()));
    this.root = element("section", {
      class: "panel", tabindex: 0, "aria-label": about ? `${this.title()}, ${about}` : this.title(),
      onkeydown: (event) => this.key(event), onpointerenter: () => activate(this), onpointerleave: () => activate(null),
      onfocus: () => activate(this), onblur: () => activate(null), ondblclick: () => change({ from: LEADS[0], to: LEADS[LEADS.length - 1] }),
    }, element("h3", { title: long }, this.title()), this.hint, this.body, this.tip, element("div", { class: "tools" }, ...tools));
    this.root.panel = this;
  }

  thresholdText() { return WORDS.threshold[this.threshold] ?? ""; }

  /** Show lines of numbers: pairs of a source and a text. */
  tell(head, lines) {
    this.tip.hidden = false;
    this.tip.replaceChildren(element("p", {}, head), ...lines.map(([source, text]) => element("p", { class: "line" },
      keyOf(source), element("bdi", {}, labelOf(source)), element("span", {}, text))));
    this.putTip();
  }

  /** Put the numbers below the panel, or above it where there is no room, so that they cover none of its plots. */
  putTip() {
    const box = this.root.getBoundingClientRect(), style = this.tip.style, room = innerHeight - box.bottom + 34;
    const below = room > this.tip.offsetHeight || room > box.top;
    style.top = below ? "calc(100% - 34px)" : "auto";
    style.bottom = below ? "auto" : "100%";
    const right = box.left + box.right > innerWidth;
    style.left = right ? "auto" : "-1px";
    style.right = right ? "-1px" : "auto";
  }

  /** Return the places that the cursor goes to. */
  stops() { return leadsInside(); }

  /** Move the cursor by the arrow keys; Escape shows all lead times again. */
  key(event) {
    if (event.target !== this.root) return;
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (event.key === "Escape") change({ from: LEADS[0], to: LEADS[LEADS.length - 1] });
    const stops = this.stops();
    if (!step || !stops.length) return;
    event.preventDefault();
    activate(this);
    const at = stops.indexOf(this.place), next = at < 0 ? (step > 0 ? 0 : stops.length - 1) : Math.min(Math.max(at + step, 0), stops.length - 1);
    this.goTo(stops[next]);
  }
}

/** Return the counts of a lead time: those of all sources where they are the same. */
function countText(lines, i) {
  const range = (name) => {
    const all = lines.filter((line) => Number.isFinite(line.value[i])).map((line) => line[name][i]), low = Math.min(...all), high = Math.max(...all);
    return !all.length ? "0" : low === high ? low.toLocaleString("en") : `${low.toLocaleString("en")}–${high.toLocaleString("en")}`;
  };
  return `n = ${range("days")} days, ${range("inits")} init times, ${range("pairs")} pairs`;
}

/** Return a table: heads of the columns, rows of texts that begin with a head. */
function tableOf(caption, heads, rows) {
  return element("table", {}, element("caption", {}, caption),
    element("thead", {}, element("tr", {}, ...heads.map((text) => element("th", { scope: "col" }, text)))),
    element("tbody", {}, ...rows.map(([first, ...rest]) => element("tr", {}, element("th", { scope: "row" }, first), ...rest.map((text) => element("td", {}, text))))));
}

/** Make a panel the one that shows its numbers. */
function activate(panel) {
  if (active && active !== panel) active.tip.hidden = true;
  active = panel;
}
