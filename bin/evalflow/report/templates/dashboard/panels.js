// A panel: one metric of one param (and threshold) over lead time.
let active = null; // the panel under the pointer or with the focus: it shows the numbers

class Panel {
  constructor(param, metric, threshold) {
    Object.assign(this, { param, metric, threshold, lines: [], gaps: [], plots: [], seen: false, stale: true, place: -1 });
    this.body = element("div", { class: "plots" });
    this.tip = element("div", { class: "tip", hidden: true, "aria-live": "polite" });
    this.hint = element("p", { class: "hint small soft" });
    const tools = ["svg", "png", "csv"].map((kind) => element("button", {
      type: "button", "aria-label": `save ${this.title()} as ${kind.toUpperCase()}`, onclick: () => exportPanel(this, kind),
    }, kind.toUpperCase()));
    this.root = element("section", {
      class: "panel", tabindex: 0, "aria-label": `${this.title()}, ${ABOUT.metrics[metric].better}`,
      onkeydown: (event) => this.key(event), onpointerenter: () => activate(this), onpointerleave: () => activate(null),
      onfocus: () => activate(this), onblur: () => activate(null), ondblclick: () => change({ from: LEADS[0], to: LEADS[LEADS.length - 1] }),
    }, element("h3", { title: ABOUT.metrics[metric].long }, this.title()), this.hint, this.body, this.tip, element("div", { class: "tools" }, ...tools));
    this.root.panel = this;
  }

  unit() { return ABOUT.metrics[this.metric].units[this.param]; }

  title() {
    const threshold = WORDS.threshold[this.threshold], unit = this.unit();
    return `${WORDS.metric[this.metric]} of ${WORDS.param[this.param]}${threshold ? ` ${threshold}` : ""}${unit ? ` [${unit}]` : ""}`;
  }

  gapTitle() {
    const { target, better } = ABOUT.metrics[this.metric];
    const name = WORDS.metric[this.metric], of = target === null ? "" : target === 0 ? ` of |${name}|` : ` of |${name} − ${target}|`;
    const way = !better || better.startsWith("neither") ? "" : better.startsWith("↑") ? "; above 0 is better" : "; below 0 is better";
    return `difference${of} to ${ABOUT.sources[state.reference].label}${way}`;
  }

  /** Take the numbers that the state asks for from the arrays. */
  async load() {
    const part = await partOf(state.truth, this.param);
    const codes = [this.metric, this.threshold, state.scale, state.region, state.season, state.init_hour, state.valid_hour];
    const shown = WORDS.source.map((_, i) => i).filter((i) => !state.hidden.includes(i));
    const found = (read) => shown.map((source) => { const one = part && read(source); return one && { ...one, source, look: lookOf(source) }; }).filter(Boolean);
    this.lines = found((source) => scoreOf(part, codes, source));
    this.gaps = state.reference < 0 ? [] : found((source) => differenceOf(part, codes, source, state.reference));
  }

  /** Draw what is there, in place of what was drawn. */
  async draw(width = this.body.clientWidth) {
    this.width = Math.max(width, 200);
    await this.load();
    this.stale = false;
    const shape = this.shape();
    if (this.plots.length && shape === this.shown) return this.refill();
    this.clear();
    this.shown = shape;
    this.hint.textContent = ABOUT.metrics[this.metric].better;
    const low = state.show !== "both";
    this.body.className = "plots" + (low ? " low" : "") + (state.tables || !this.lines.length ? " free" : "");
    if (!this.lines.some((line) => line.value.some(Number.isFinite))) this.body.append(element("p", { class: "soft" }, "No such scores in the tables."));
    else if (state.tables) this.body.append(element("div", { class: "wide", tabindex: 0 }, this.table()));
    else this.plot();
  }

  /** Return all that a plot is made for; where only numbers change it is filled anew, which is faster. */
  shape() {
    const there = this.lines.some((line) => line.value.some(Number.isFinite));
    return JSON.stringify([there, state.tables, state.show, state.reference, this.width, isLog(this), state.strong,
      colourOf("--ground"), this.lines.map((line) => line.source), this.gaps.map((line) => line.source)]);
  }

  /** Give the plots other numbers. */
  refill() {
    const data = [...(state.show === "differences" ? [] : [scoreData(this)]), ...(this.plots.length > 1 || state.show === "differences" ? [gapData(this)] : [])];
    this.plots.forEach((plot, i) => plot.setData(data[i]));
  }

  plot() {
    const width = this.width;
    if (state.show !== "differences") this.plots.push(plotScores(this, this.body, width, state.show === "both" ? 150 : 190));
    if (state.show === "scores" || state.reference < 0) return;
    this.body.append(element("h4", {}, this.gapTitle()));
    if (this.gaps.length) this.plots.push(plotDifferences(this, this.body, width, state.show === "both" ? 150 : 190));
    else this.body.append(element("p", { class: "soft small" }, "Nothing to compare."));
  }

  clear() {
    this.plots.forEach((plot) => plot.destroy());
    this.plots = [];
    this.body.replaceChildren();
  }

  /** Draw again with the weights of the moment, without reading anything. */
  weigh() {
    for (const plot of this.plots) { plot.destroy(); }
    this.plots = [];
    if (!state.tables && this.lines.length) { this.body.replaceChildren(); this.plot(); }
  }

  /** Return the numbers as a table. */
  table() {
    const label = (source) => ABOUT.sources[source].label, leads = LEADS.map((_, i) => i).filter((i) => LEADS[i] >= state.from && LEADS[i] <= state.to);
    const scores = state.show === "differences" ? [] : this.lines, gaps = state.show === "scores" ? [] : this.gaps;
    const head = [...scores.map((line) => label(line.source)), ...gaps.map((line) => `${label(line.source)}: difference`)];
    const rows = leads.filter((i) => this.lines.some((line) => Number.isFinite(line.value[i]))).map((i) => element("tr", {},
      element("th", { scope: "row" }, `${LEADS[i]}${SPACE}h`),
      ...scores.map((line) => element("td", {}, numberText(line.value[i]))),
      ...gaps.map((line) => element("td", {}, gapText(line, i))),
      element("td", {}, String(Math.max(...this.lines.map((line) => line.days[i]))))));
    return element("table", {}, element("caption", {}, `${this.title()}, ${filterText()}${gaps.length ? "; " + this.gapTitle() : ""}`),
      element("thead", {}, element("tr", {}, ...["lead time", ...head, "days"].map((text) => element("th", { scope: "col" }, text)))),
      element("tbody", {}, ...rows));
  }

  /** Show the numbers under the cursor. */
  say(plot) {
    if (active !== this) return;
    this.place = plot.cursor.idx ?? -1;
    this.tip.hidden = this.place < 0 || plot.cursor.left < 0;
    if (this.tip.hidden) return;
    const i = this.place, unit = this.unit();
    const lines = this.lines.filter((line) => Number.isFinite(line.value[i])).map((line) => {
      const gap = this.gaps.find((one) => one.source === line.source), says = [withUnit(numberText(line.value[i]), unit)];
      if (gap && state.show !== "scores") says.push(`(${gapText(gap, i)}${gap.days[i] === line.days[i] ? "" : `, n = ${gap.days[i]} days`})`);
      return element("p", { class: "line" }, keyOf(line.source), element("bdi", {}, ABOUT.sources[line.source].label), element("span", {}, says.join(" ")));
    });
    this.tip.replaceChildren(element("p", {}, `${LEADS[i]}${SPACE}h: ${countText(this.lines, i)}`), ...lines);
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

  /** Move the cursor by the arrow keys; Escape shows all lead times again. */
  key(event) {
    if (event.target !== this.root) return;
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (event.key === "Escape") change({ from: LEADS[0], to: LEADS[LEADS.length - 1] });
    if (!step || !this.plots.length) return;
    event.preventDefault();
    activate(this);
    const inside = LEADS.map((_, i) => i).filter((i) => LEADS[i] >= state.from && LEADS[i] <= state.to);
    const at = inside.indexOf(this.place), next = at < 0 ? (step > 0 ? 0 : inside.length - 1) : Math.min(Math.max(at + step, 0), inside.length - 1);
    this.plots[0].setCursor({ left: this.plots[0].valToPos(LEADS[inside[next]], "x"), top: 10 }, true, true);
  }
}

/** Return a difference, its band and its mark as text. */
function gapText(line, i) {
  if (!Number.isFinite(line.value[i])) return "–";
  const band = Number.isFinite(line.half[i]) ? ` ± ${Number(line.half[i].toPrecision(3))}` : "", mark = markText(line.marks[i]);
  return differenceText(line.value[i], line.score[i]) + band + (mark ? `, ${mark}` : "");
}

/** Return the counts of a lead time: those of all sources where they are the same. */
function countText(lines, i) {
  const range = (name) => {
    const all = lines.filter((line) => Number.isFinite(line.value[i])).map((line) => line[name][i]), low = Math.min(...all), high = Math.max(...all);
    return !all.length ? "0" : low === high ? low.toLocaleString("en") : `${low.toLocaleString("en")}–${high.toLocaleString("en")}`;
  };
  return `n = ${range("days")} days, ${range("inits")} init times, ${range("pairs")} pairs`;
}

/** Make a panel the one that shows its numbers. */
function activate(panel) {
  if (active && active !== panel) active.tip.hidden = true;
  active = panel;
}
