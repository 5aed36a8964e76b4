// Diagrams besides scores over lead time: MSE in its parts, performance, quantiles. What is shown is what is saved: an SVG.
const PARTS_OF_MSE = [["MSE_BIAS", "bias", "--s1"], ["MSE_SPREAD", "spread", "--s4"], ["MSE_CORR", "correlation", "--s0"]];
const text = (x, y, words, more = "") => `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${more}>${safe(words)}</text>`;
const line = (points, more) => `<path d="${pathOf(points.map(([x]) => x), points.map(([, y]) => y))}" fill="none" ${more}/>`;

class Diagram extends Frame {
  async draw(width = this.body.clientWidth) {
    this.width = Math.max(width, 200);
    await this.load();
    this.stale = false;
    this.clear();
    this.hint.textContent = this.about();
    this.body.className = "plots free";
    if (!this.there()) this.body.append(element("p", { class: "soft" }, "No such scores in the tables."));
    else if (state.tables) this.body.append(element("div", { class: "wide", tabindex: 0, role: "region", "aria-label": `table of ${this.title()}` }, this.table()));
    else this.show();
  }

  /** Put the picture onto the page. */
  show() {
    const picture = new DOMParser().parseFromString(this.document(this.width), "image/svg+xml").documentElement;
    picture.setAttribute("aria-hidden", "true"); // the panel has a name, its numbers are in the table
    this.body.replaceChildren(document.importNode(picture, true));
    this.body.onpointermove = ({ clientX, clientY }) => {
      const corner = this.body.getBoundingClientRect(), i = this.placeAt(clientX - corner.left, clientY - corner.top);
      if (i >= 0) this.goTo(i);
    };
    this.body.onpointerleave = () => { this.tip.hidden = true; };
  }

  /** Return the picture as a document; `heading`: with what a reader needs who has only the file. */
  document(width, heading = false) {
    const top = heading ? 54 : 6, { parts, height } = this.picture(width, top);
    const head = heading ? text(12, 22, this.title(), `font-size="16" font-weight="600"`) + text(12, 42, `${this.filters()}; ${this.about()}`, `fill="${colourOf("--soft")}"`) : "";
    let bottom = top + height;
    const keys = heading ? this.keys().map(([source, label]) => { bottom += 18; return keyAt(source, 12, bottom - 4) + text(48, bottom, label); }).join("") : "";
    bottom += heading ? 12 : 0;
    return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${bottom}" viewBox="0 0 ${width} ${bottom}" font-family="system-ui, sans-serif" font-size="11" fill="${colourOf("--text")}">` +
      `<rect width="100%" height="100%" fill="${colourOf("--ground")}"/>${head}${parts.join("")}${keys}</svg>`;
  }

  svg() { return this.document(720, true); }
  keys() { return shownSources().map((source) => [source, labelOf(source)]); }
  filters() { return filterText(); }
  weigh() { if (!state.tables && this.there()) this.show(); }
  clear() { this.body.replaceChildren(); }

  /** Move the cursor, and show its numbers. */
  goTo(i) {
    if (this.place !== i) { this.place = i; if (!state.tables && this.there()) this.show(); }
    if (active === this && this.there()) this.say(i);
  }

  /** Return the part of the scores of a metric, per source. */
  scores(part, metric, threshold) {
    return new Map(shownSources().map((source) => [source, part && scoreOf(part, codesOf(metricNamed(metric), threshold), source)]).filter(([, one]) => one));
  }
}

/** Return the axes of a box between two ranges, as SVG. */
function axes(box, [x0, x1], [y0, y1], xs, ys, titles) {
  const [soft, grid] = [colourOf("--soft"), colourOf("--line")], parts = [];
  const x = (value) => box.x + ((value - x0) / (x1 - x0)) * box.width, y = (value) => box.y + ((y1 - value) / (y1 - y0)) * box.height;
  for (const [at, words] of ys) parts.push(`<path d="M${box.x} ${y(at).toFixed(1)}h${box.width}" stroke="${grid}"/>`, text(box.x - 5, y(at) + 4, words, `text-anchor="end" fill="${soft}"`));
  for (const [at, words] of xs) parts.push(`<path d="M${x(at).toFixed(1)} ${box.y}v${box.height}" stroke="${grid}"/>`, text(x(at), box.y + box.height + 15, words, `text-anchor="middle" fill="${soft}"`));
  parts.push(text(box.x + box.width, box.y + box.height + 29, titles[0], `text-anchor="end" fill="${soft}"`));
  if (titles[1]) parts.push(text(box.x, box.y - 4, titles[1], `fill="${soft}"`));
  return { parts, x, y };
}

/** Return the key of a source at a place, as SVG. */
function keyAt(source, x, y) {
  const look = lookOf(source);
  return `<path d="M${x} ${y}h28" stroke="${look.colour}" stroke-width="2" stroke-dasharray="${look.dash.join(" ")}"/><path d="${markerPath(look.shape, x + 14, y)}" fill="${look.colour}"/>`;
}

/** The MSE of one source over lead time, as a stack of bias, unequal spread and imperfect correlation. */
class Parts extends Diagram {
  constructor(param, source) {
    super(param);
    this.source = source;
    this.build(this.about());
  }

  unit() { return ABOUT.metrics[metricNamed("MSE_BIAS")].units[this.param]; }
  title() { return `MSE of ${WORDS.param[this.param]} in parts${this.unit() ? ` [${this.unit()}]` : ""}: ${labelOf(this.source)}`; }
  about() { return "↓ lower is better"; }
  keys() { return []; }

  async load() {
    const part = await partOf(state.truth, this.param), all = PARTS_OF_MSE.map(([metric]) => this.scores(part, metric, WORDS.threshold.indexOf("")));
    const of = (source) => all.map((one) => one.get(source));
    this.layers = of(this.source);
    const sums = shownSources().map(of).filter((layers) => layers.every(Boolean)).flatMap((layers) => leadsInside().map((i) => layers[0].value[i] + layers[1].value[i] + layers[2].value[i]));
    this.most = Math.max(...sums.filter(Number.isFinite), 0); // the same scale for all sources
  }

  there() { return this.layers.every(Boolean) && leadsInside().some((i) => Number.isFinite(this.layers[0].value[i])); }

  picture(width, top) {
    const box = { x: 54, y: top + 14, width: width - 74, height: 150 }, range = leadRange(), high = this.most * 1.05 || 1;
    const { parts, x, y } = axes(box, range, [0, high], leadTicks(...range).map((lead) => [lead, numberText(lead)]), ticksOf(0, high, 4).map((at) => [at, numberText(at)]), ["lead time [h]", ""]);
    const there = leadsInside().filter((i) => this.layers.every((one) => Number.isFinite(one.value[i])));
    let below = LEADS.map(() => 0);
    PARTS_OF_MSE.forEach(([, name, colour], place) => {
      const above = below.map((value, i) => value + this.layers[place].value[i]), edge = there.map((i) => [x(LEADS[i]), y(above[i])]);
      const outline = [...edge, ...there.toReversed().map((i) => [x(LEADS[i]), y(below[i])])];
      parts.push(`<path d="${pathOf(outline.map(([at]) => at), outline.map(([, at]) => at))}z" fill="${colourOf(colour)}" fill-opacity="0.45"/>`, line(edge, `stroke="${colourOf(colour)}" stroke-width="2" stroke-dasharray="${DASHES[place].join(" ")}"`));
      if (there.length === 1) parts.push(`<circle cx="${edge[0][0].toFixed(1)}" cy="${edge[0][1].toFixed(1)}" r="3" fill="${colourOf(colour)}"/>`);
      below = above;
    });
    if (there.includes(this.place)) parts.push(`<path d="M${x(LEADS[this.place]).toFixed(1)} ${box.y}v${box.height}" stroke="${colourOf("--soft")}"/>`);
    let at = 12;
    PARTS_OF_MSE.toReversed().forEach(([, name, colour], place) => {
      const right = 12 + place * Math.min(150, (width - 24) / 3);
      at = top + box.height + 56;
      parts.push(`<path d="M${right} ${at - 4}h20" stroke="${colourOf(colour)}" stroke-width="8" stroke-opacity="0.45"/><path d="M${right} ${at - 8}h20" stroke="${colourOf(colour)}" stroke-width="2" stroke-dasharray="${DASHES[2 - place].join(" ")}"/>`, text(right + 25, at, name));
    });
    this.inside = { box, x };
    return { parts, height: box.height + 64 };
  }

  placeAt(left) {
    const there = leadsInside();
    return there.length ? there.reduce((best, i) => (Math.abs(this.inside.x(LEADS[i]) - left) < Math.abs(this.inside.x(LEADS[best]) - left) ? i : best), there[0]) : -1;
  }

  texts(i) {
    const values = this.layers.map((one) => one.value[i]), sum = values.reduce((a, b) => a + b, 0);
    return [...values.map((value) => `${numberText(value)} (${Math.round((100 * value) / sum)}${SPACE}%)`), numberText(sum)];
  }

  say(i) {
    const words = this.texts(i);
    this.tell(`${LEADS[i]}${SPACE}h: ${countText([this.layers[0]], i)}`, [[this.source, `${PARTS_OF_MSE.map(([, name], place) => `${name} ${words[place]}`).join(", ")}, MSE ${withUnit(words[3], this.unit())}`]]);
  }

  table() {
    const rows = leadsInside().filter((i) => Number.isFinite(this.layers[0].value[i])).map((i) => [`${LEADS[i]}${SPACE}h`, ...this.texts(i), String(this.layers[0].days[i])]);
    return tableOf(`${this.title()}, ${filterText()}`, ["lead time", ...PARTS_OF_MSE.map(([, name]) => name), "MSE", "days"], rows);
  }

  rows() { return PARTS_OF_MSE.flatMap(([metric], place) => scoreRows(this, metric, "", this.unit(), this.source, this.layers[place], leadsInside())); }
}

/** POD against success ratio (1 − FAR) of one event, a line over lead time per source. */
class Performance extends Diagram {
  constructor(param, threshold) {
    super(param);
    this.threshold = threshold;
    this.build(this.about());
  }

  title() { return `performance of ${WORDS.param[this.param]} ${this.thresholdText()}`; }
  about() { return "↗ towards the upper right is better"; }

  async load() {
    const part = await partOf(state.truth, this.param), [pod, far] = ["POD", "FAR"].map((metric) => this.scores(part, metric, this.threshold));
    this.lines = [...pod].filter(([source]) => far.has(source)).map(([source, one]) => ({ ...one, source, ratio: Array.from(far.get(source).value, (value) => 1 - value), look: lookOf(source) }));
    this.lines.forEach((one) => { one.inside = leadsInside().filter((i) => Number.isFinite(one.value[i]) && Number.isFinite(one.ratio[i])); });
  }

  there() { return this.lines.some((one) => one.inside.length); }

  picture(width, top) {
    const size = Math.min(width - 84, 400), box = { x: 44, y: top + 16, width: size, height: size }, soft = colourOf("--soft"), ticks = [0, 0.2, 0.4, 0.6, 0.8, 1].map((at) => [at, numberText(at)]);
    const { parts, x, y } = axes(box, [0, 1], [0, 1], ticks, ticks, ["success ratio, 1 − FAR", "POD"]);
    for (const csi of [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]) { // 1 / CSI = 1 / SR + 1 / POD − 1
      const curve = Array.from({ length: 41 }, (_, n) => csi + ((1 - csi) * n) / 40).map((ratio) => [x(ratio), y(1 / (1 / csi - 1 / ratio + 1))]);
      parts.push(line(curve, `stroke="${soft}" stroke-opacity="0.55"`), text(x(1) - 3, y(csi) - 3, csi === 0.9 ? "CSI 0.9" : numberText(csi), `text-anchor="end" font-size="9" fill="${soft}"`));
    }
    for (const bias of [0.25, 0.5, 1, 2, 4]) { // FBI = POD / SR
      const end = bias > 1 ? [1 / bias, 1] : [1, bias];
      parts.push(line([[x(0), y(0)], [x(end[0]), y(end[1])]], `stroke="${soft}" stroke-dasharray="3 3" stroke-opacity="0.8"`), text(x(end[0]) + (bias > 1 ? 0 : bias === 1 ? 10 : 3), y(end[1]) + (bias < 1 ? 4 : -4), bias === 1 ? "FBI 1" : numberText(bias), `${bias > 1 ? `text-anchor="middle"` : ""} font-size="9" fill="${soft}"`));
    }
    this.spots = [];
    for (const one of this.lines) {
      const { alpha, width: stroke } = weightOf(one.source), at = one.inside.map((i) => [x(one.ratio[i]), y(one.value[i])]);
      parts.push(`<g opacity="${alpha}">`, line(at, `stroke="${one.look.colour}" stroke-width="${stroke}" stroke-dasharray="${one.look.dash.join(" ")}"`));
      at.forEach(([left, down], n) => {
        const i = one.inside[n], strong = i === this.place;
        this.spots.push([left, down, i]);
        parts.push(`<path d="${markerPath(one.look.shape, left, down, strong ? 5 : 3)}" fill="${one.look.colour}"${strong ? ` stroke="${colourOf("--text")}" stroke-width="1.5"` : ""}/>`);
        if (n === 0) parts.push(`<circle cx="${left.toFixed(1)}" cy="${down.toFixed(1)}" r="7" fill="none" stroke="${one.look.colour}" stroke-width="1.5"/>`);
      });
      parts.push("</g>");
    }
    parts.push(text(box.x, box.y + size + 29, `ring: ${LEADS[Math.min(...this.lines.flatMap((one) => one.inside))]}${SPACE}h`, `fill="${soft}"`));
    return { parts, height: size + 52 };
  }

  placeAt(left, down) {
    const near = this.spots.map(([x, y, i]) => [(x - left) ** 2 + (y - down) ** 2, i]).sort((a, b) => a[0] - b[0])[0];
    return near && near[0] < 900 ? near[1] : -1;
  }

  stops() { return [...new Set(this.lines.flatMap((one) => one.inside))].sort((a, b) => a - b); }

  /** Return POD, success ratio, CSI and FBI of a source at a lead time. */
  four(one, i) {
    const [pod, ratio] = [one.value[i], one.ratio[i]];
    return [pod, ratio, 1 / (1 / pod + 1 / ratio - 1), pod / ratio].map((value) => numberText(value));
  }

  say(i) {
    const lines = this.lines.filter((one) => one.inside.includes(i));
    this.tell(`${LEADS[i]}${SPACE}h: ${countText(lines, i)}`, lines.map((one) => { const [pod, ratio, csi, fbi] = this.four(one, i); return [one.source, `POD ${pod}, success ratio ${ratio}, CSI ${csi}, FBI ${fbi}${one.alone[i] ? ALONE : ""}`]; }));
  }

  table() {
    const names = ["POD", "success ratio", "CSI", "FBI"];
    const rows = this.stops().map((i) => [`${LEADS[i]}${SPACE}h`, ...this.lines.flatMap((one) => this.four(one, i)), String(Math.max(...this.lines.map((one) => one.days[i])))]);
    return tableOf(`${this.title()}, ${filterText()}`, ["lead time", ...this.lines.flatMap((one) => names.map((name) => `${labelOf(one.source)}: ${name}`)), "days"], rows);
  }

  rows() {
    return this.lines.flatMap((one) => [...scoreRows(this, "POD", this.thresholdText(), "", one.source, one, one.inside),
      ...scoreRows(this, "SUCCESS_RATIO", this.thresholdText(), "", one.source, { ...one, value: one.ratio }, one.inside)]);
  }
}

/** Return the events of a part that lie on one side of their values, by operator: where there are two or more, there are quantiles. */
function familiesOf(head) {
  const found = new Map(), metric = metricNamed("FREQ_F");
  for (const [one, threshold] of head.panels) {
    const [, sign, value] = /^(>=?|<=?) (.*)$/.exec(WORDS.threshold[threshold]) ?? [];
    if (one === metric && sign) found.set(sign, [...(found.get(sign) ?? []), { threshold, value: Number(value) }]);
  }
  return [...found].filter(([, all]) => all.length > 1).map(([sign, all]) => [sign, all.sort((a, b) => a.value - b.value)]);
}

/** Return the value at a frequency, between the values of two thresholds in proportion; NaN beyond them. */
function valueAt(frequency, values, frequencies) {
  for (let n = 1; n < values.length; n++) {
    const [low, high] = [frequencies[n - 1], frequencies[n]];
    if (frequency === low) return values[n - 1];
    if ((frequency - low) * (frequency - high) <= 0 && low !== high) return values[n - 1] + ((values[n] - values[n - 1]) * (frequency - low)) / (high - low);
  }
  return NaN;
}

/** Quantiles: which value of the forecast is exceeded as often as a threshold is in the truth, at one lead time. */
class Quantiles extends Diagram {
  constructor(param, sign, events) {
    super(param);
    Object.assign(this, { sign, events });
    this.build(this.about());
  }

  unit() { return ABOUT.metrics[metricNamed("BIAS")]?.units[this.param] ?? ""; }
  title() { return `quantiles of ${WORDS.param[this.param]}${this.unit() ? ` [${this.unit()}]` : ""}, from events ${this.sign}`; }
  about() { return "→ the diagonal is best"; }
  filters() { return `${filterText()}, ${state.lead}${SPACE}h`; }

  async load() {
    const part = await partOf(state.truth, this.param), i = LEADS.indexOf(state.lead), values = this.events.map(({ value }) => value);
    const read = (metric) => this.events.map(({ threshold }) => this.scores(part, metric, threshold));
    const [forecast, truth] = [read("FREQ_F"), read("FREQ_O")], of = (all, source) => all.map((one) => one.get(source)?.value[i] ?? NaN);
    this.at = i;
    this.lines = shownSources().filter((source) => forecast[0].has(source)).map((source) => {
      const own = of(forecast, source), base = of(truth, source), known = values.map((_, n) => n).filter((n) => Number.isFinite(own[n]));
      const found = base.map((frequency) => (Number.isFinite(frequency) ? valueAt(frequency, known.map((n) => values[n]), known.map((n) => own[n])) : NaN));
      return { ...forecast[0].get(source), source, own, base, found, look: lookOf(source), inside: values.map((_, n) => n).filter((n) => Number.isFinite(found[n])) };
    });
  }

  there() { return this.lines.some((one) => one.inside.length); }
  stops() { return this.events.map((_, n) => n).filter((n) => this.lines.some((one) => Number.isFinite(one.own[n]))); }

  picture(width, top) {
    const size = Math.min(width - 74, 400), box = { x: 54, y: top + 16, width: size, height: size }, values = this.events.map(({ value }) => value);
    const log = values[0] > 0 && values.at(-1) / values[0] >= 10, level = log ? Math.log10 : (value) => value;
    const all = [...values, ...this.lines.flatMap((one) => one.inside.map((n) => one.found[n]))], [low, high] = [Math.min(...all), Math.max(...all)];
    const range = [level(low), level(high)].map((at, end) => at + (end ? 1 : -1) * 0.04 * (level(high) - level(low) || 1)), ticks = (log ? logTicks(10 ** range[0], 10 ** range[1]) : ticksOf(...range, 4)).map((at) => [level(at), numberText(at)]);
    const { parts, x, y } = axes(box, range, range, ticks, ticks, ["threshold in the truth", "as frequent in the forecast"]);
    parts.push(line([[x(range[0]), y(range[0])], [x(range[1]), y(range[1])]], `stroke="${colourOf("--text")}"`));
    this.spots = values.map((value, n) => [x(level(value)), n]);
    for (const one of this.lines) {
      const { alpha, width: stroke } = weightOf(one.source), at = one.inside.map((n) => [x(level(values[n])), y(level(one.found[n]))]);
      parts.push(`<g opacity="${alpha}">`, line(at, `stroke="${one.look.colour}" stroke-width="${stroke}" stroke-dasharray="${one.look.dash.join(" ")}"`),
        ...at.map(([left, down], n) => `<path d="${markerPath(one.look.shape, left, down, one.inside[n] === this.place ? 5 : 3)}" fill="${one.look.colour}"/>`), "</g>");
    }
    return { parts, height: size + 52 };
  }

  placeAt(left) { return this.spots.reduce((best, one) => (Math.abs(one[0] - left) < Math.abs(best[0] - left) ? one : best))[1]; }

  say(n) {
    const lines = this.lines.filter((one) => Number.isFinite(one.own[n]));
    this.tell(`${WORDS.threshold[this.events[n].threshold]}, ${LEADS[this.at]}${SPACE}h: ${countText(lines, this.at)}`, lines.map((one) => [one.source,
      `frequency ${numberText(one.own[n])}, in the truth ${numberText(one.base[n])}; as frequent: ${withUnit(numberText(one.found[n]), this.unit())}${one.alone[this.at] ? ALONE : ""}`]));
  }

  table() {
    const heads = ["threshold", ...this.lines.flatMap((one) => ["frequency", "frequency in the truth", "as frequent"].map((name) => `${labelOf(one.source)}: ${name}`))];
    return tableOf(`${this.title()}, ${this.filters()}`, heads, this.stops().map((n) => [String(this.events[n].value), ...this.lines.flatMap((one) => [one.own[n], one.base[n], one.found[n]].map((value) => numberText(value)))]));
  }

  rows() {
    return this.events.flatMap(({ threshold }, n) => this.lines.flatMap((one) => [["FREQ_F", one.own, ""], ["FREQ_O", one.base, ""], ["QUANTILE", one.found, this.unit()]].flatMap(([metric, from, unit]) =>
      scoreRows(this, metric, WORDS.threshold[threshold], unit, one.source, { ...one, value: LEADS.map(() => from[n]) }, [this.at]))));
  }
}

const metricPanels = (head, param, metrics) => metrics.flatMap((metric) => thresholdsOf(head, metric).map((threshold) => [[param, metric, threshold], () => new Panel(param, metric, threshold)]));
const hasMetric = (head, name) => head.panels.some(([metric]) => metric === metricNamed(name));
/** What can be looked at: a title, the metrics that it needs, and the panels of a param, each with a name. */
const VIEWS = {
  lead: { title: "scores over lead time", needs: [], panels: (head, param) => metricPanels(head, param, state.metric) },
  activity: { title: "activity", needs: ["STD_F", "STD_O"], panels: (head, param) => metricPanels(head, param, ["STD_F", "ACTIVITY"].map(metricNamed)) },
  parts: { title: "MSE in parts", needs: PARTS_OF_MSE.map(([metric]) => metric), panels: (head, param) => (hasMetric(head, "MSE_BIAS") ? shownSources() : []).map((source) => [[param, source], () => new Parts(param, source)]) },
  performance: { title: "performance diagrams", needs: ["POD", "FAR"], panels: (head, param) => thresholdsOf(head, metricNamed("POD")).map((threshold) => [[param, threshold], () => new Performance(param, threshold)]) },
  quantiles: {
    title: "quantiles", needs: ["FREQ_F", "FREQ_O"], able: () => ABOUT.parts.some((head) => familiesOf(head).length),
    panels: (head, param) => familiesOf(head).map(([sign, events]) => [[param, sign], () => new Quantiles(param, sign, events)]),
  },
};
/** Return the names of the views of which there are scores. */
const viewsThere = () => Object.keys(VIEWS).filter((name) => VIEWS[name].needs.every((metric) => metricNamed(metric) >= 0) && (VIEWS[name].able?.() ?? true));
