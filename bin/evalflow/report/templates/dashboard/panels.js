// A panel: one metric of one param (and threshold) over lead time.
class Panel extends Frame {
  constructor(param, metric, threshold) {
    super(param);
    Object.assign(this, { metric, threshold, lines: [], gaps: [], plots: [] });
    this.build(ABOUT.metrics[metric].better, ABOUT.metrics[metric].long);
  }

  unit() { return ABOUT.metrics[this.metric].units[this.param]; }

  title() {
    const threshold = this.thresholdText(), unit = this.unit();
    return `${WORDS.metric[this.metric]} of ${WORDS.param[this.param]}${threshold ? ` ${threshold}` : ""}${unit ? ` [${unit}]` : ""}`;
  }

  /** Return whether differences are shown in percent: never those of a score that is best at 0. */
  inPercent() { return state.percent && ABOUT.metrics[this.metric].target !== 0; }

  gapTitle() {
    const { target, better } = ABOUT.metrics[this.metric];
    const name = WORDS.metric[this.metric], of = target === null ? "" : target === 0 ? ` of |${name}|` : ` of |${name} − ${target}|`;
    const way = !better || better.startsWith("neither") ? "" : better.startsWith("↑") ? "; above 0 is better" : "; below 0 is better";
    return `difference${of} to ${labelOf(state.reference)}${this.inPercent() ? " [%]" : ""}${way}`;
  }

  /** Take the numbers that the state asks for from the arrays. */
  async load() {
    const part = await partOf(state.truth, this.param), codes = codesOf(this.metric, this.threshold);
    const found = (read) => shownSources().map((source) => { const one = part && read(source); return one && { ...one, source, look: lookOf(source) }; }).filter(Boolean);
    this.lines = found((source) => scoreOf(part, codes, source));
    this.gaps = state.reference < 0 ? [] : found((source) => differenceOf(part, codes, source, state.reference));
    if (this.inPercent()) this.gaps = this.gaps.map((gap) => ({ ...gap, value: gap.relative, half: gap.relativeHalf, inUnits: gap.value }));
    const truth = WORDS.metric[this.metric] === "STD_F" && this.truthOf(part);
    if (truth) this.lines.push(truth);
  }

  /** Return the line of the truth beside the activity of forecasts; those on the common sample have the same one. */
  truthOf(part) {
    const metric = metricNamed("STD_O"), lines = this.lines.toSorted((a, b) => Math.max(...a.alone) - Math.max(...b.alone));
    const one = metric >= 0 && lines.length && scoreOf(part, codesOf(metric, this.threshold), lines[0].source);
    return one && { ...one, source: TRUTH, look: lookOf(TRUTH) };
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
    else if (state.tables) this.body.append(element("div", { class: "wide", tabindex: 0, role: "region", "aria-label": `table of ${this.title()}` }, this.table()));
    else this.plot();
  }

  /** Return all that a plot is made for; where only numbers change it is filled anew, which is faster. */
  shape() {
    const there = this.lines.some((line) => line.value.some(Number.isFinite));
    return JSON.stringify([there, state.tables, state.show, state.reference, this.width, isLog(this), this.inPercent(), state.strong,
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
    const scores = state.show === "differences" ? [] : this.lines, gaps = state.show === "scores" ? [] : this.gaps;
    const heads = ["lead time", ...scores.map((line) => labelOf(line.source)), ...gaps.map((line) => `${labelOf(line.source)}: difference`), "days"];
    const rows = leadsInside().filter((i) => this.lines.some((line) => Number.isFinite(line.value[i]))).map((i) => [
      `${LEADS[i]}${SPACE}h`, ...scores.map((line) => numberText(line.value[i]) + (line.alone[i] ? ALONE : "")),
      ...gaps.map((line) => gapText(line, i)), String(Math.max(...this.lines.map((line) => line.days[i])))]);
    return tableOf(`${this.title()}, ${filterText()}${gaps.length ? "; " + this.gapTitle() : ""}`, heads, rows);
  }

  /** Show the numbers under the cursor. */
  say(plot) {
    if (active !== this) return;
    this.place = plot.cursor.idx ?? -1;
    this.tip.hidden = this.place < 0 || plot.cursor.left < 0;
    if (this.tip.hidden) return;
    const i = this.place, unit = this.unit();
    const lines = this.lines.filter((line) => Number.isFinite(line.value[i])).map((line) => {
      const gap = this.gaps.find((one) => one.source === line.source), says = [withUnit(numberText(line.value[i]), unit) + (line.alone[i] ? ALONE : "")];
      if (gap && state.show !== "scores") says.push(`(${gapText(gap, i, true)}${gap.days[i] === line.days[i] ? "" : `, n = ${gap.days[i]} days`})`);
      return [line.source, says.join(" ")];
    });
    this.tell(`${LEADS[i]}${SPACE}h: ${countText(this.lines, i)}`, lines);
  }

  svg() { return svgOf(this); }

  stops() { return this.plots.length ? leadsInside() : []; }

  goTo(i) { this.plots[0].setCursor({ left: this.plots[0].valToPos(LEADS[i], "x"), top: 10 }, true, true); }
}

/** Return a difference, its band and its mark as text; `both` adds the other of units and percent. */
function gapText(line, i, both = false) {
  if (!Number.isFinite(line.value[i])) return "–";
  const percent = (value) => `${value > 0 ? "+" : ""}${value.toFixed(Math.abs(value) < 10 ? 1 : 0).replace("-", MINUS)}${SPACE}%`;
  const first = line.inUnits ? percent(line.value[i]) : differenceText(line.value[i], line.score[i]);
  const other = line.inUnits ? differenceText(line.inUnits[i], line.score[i]) : Number.isFinite(line.relative[i]) ? percent(line.relative[i]) : "";
  const band = Number.isFinite(line.half[i]) ? ` ± ${Number(line.half[i].toPrecision(3))}` : "", mark = markText(line.marks[i]);
  return first + band + (line.inUnits && band ? `${SPACE}%` : "") + (both && other ? `, ${other}` : "") + (line.marks[i] & 16 ? ALONE : "") + (mark ? `, ${mark}` : "");
}
