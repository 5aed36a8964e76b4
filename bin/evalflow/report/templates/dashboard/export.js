// A panel as SVG, PNG and CSV.
const SAFE = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
const safe = (text) => String(text).replace(/[&<>"]/g, (sign) => SAFE[sign]);

/** Return round numbers between two values, about `count` of them. */
function ticksOf(low, high, count = 5) {
  const rough = (high - low) / count, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough);
  const found = [];
  for (let at = Math.ceil(low / step); at * step <= high + step * 1e-9; at++) found.push(at * step);
  return found;
}

/** Return lead times to write at the axis: multiples of parts of a day. */
function leadTicks(from, to) {
  const step = [0.25, 0.5, 1, 2, 3, 6, 12, 24, 48, 72, 120].find((size) => (to - from) / size <= 7) ?? 240, found = [];
  for (let tick = Math.ceil(from / step) * step; tick <= to; tick += step) found.push(tick);
  return found;
}

/** Return the path through points that are there. */
function pathOf(xs, ys) {
  let text = "", pen = "M";
  ys.forEach((y, i) => { if (Number.isFinite(y) && Number.isFinite(xs[i])) { text += `${pen}${xs[i].toFixed(1)} ${y.toFixed(1)}`; pen = "L"; } });
  return text;
}

/** Return one plot of a panel as SVG: `box` is where its area lies. */
function svgPlot(lines, box, range, zero, bands, log = false) {
  const [low, high] = range, [soft, grid] = [colourOf("--soft"), colourOf("--line")];
  const [from, to] = leadRange(), x = (lead) => box.x + ((lead - from) / (to - from)) * box.width;
  const level = log ? Math.log : (value) => value;
  const y = (value) => box.y + ((level(high) - level(value)) / (level(high) - level(low))) * box.height;
  const xs = LEADS.map((lead) => (lead >= state.from && lead <= state.to ? x(lead) : NaN)), parts = [];
  for (const tick of (log ? logTicks : ticksOf)(low, high))
    parts.push(`<path d="M${box.x} ${y(tick).toFixed(1)}h${box.width}" stroke="${grid}"/><text x="${box.x - 6}" y="${(y(tick) + 4).toFixed(1)}" text-anchor="end" fill="${soft}">${numberText(tick)}</text>`);
  for (const tick of leadTicks(from, to))
    parts.push(`<text x="${x(tick).toFixed(1)}" y="${box.y + box.height + 16}" text-anchor="middle" fill="${soft}">${numberText(tick)}</text>`);
  if (zero !== null && zero >= low && zero <= high) parts.push(`<path d="M${box.x} ${y(zero).toFixed(1)}h${box.width}" stroke="${colourOf("--text")}"/>`);
  const marked = lines.filter((line) => bands && line.marks.some((bits) => bits & 1));
  for (const line of lines) {
    const { colour, dash, shape } = line.look;
    if (bands) {
      const there = xs.map((_, i) => i).filter((i) => Number.isFinite(xs[i]) && Number.isFinite(line.value[i] + line.half[i]));
      const edge = [...there.map((i) => [i, 1]), ...there.toReversed().map((i) => [i, -1])];
      const outline = edge.map(([i, sign]) => `${xs[i].toFixed(1)} ${y(line.value[i] + sign * line.half[i]).toFixed(1)}`);
      if (there.length > 1) parts.push(`<path d="M${outline.join("L")}z" fill="${colour}" fill-opacity="0.16"/>`);
    }
    const ys = Array.from(line.value, y);
    parts.push(`<path d="${pathOf(xs, ys)}" fill="none" stroke="${colour}" stroke-width="2" stroke-dasharray="${dash.join(" ")}"/>`);
    const markers = ys.map((at, i) => (Number.isFinite(at + xs[i]) ? markerPath(shape, xs[i], at) : "")).join("");
    parts.push(`<path d="${markers}" fill="${colour}"/>`);
    marked.forEach((one, row) => one === line && line.marks.forEach((bits, i) => {
      if (!(bits & 1) || !Number.isFinite(xs[i])) return;
      const path = markerPath(shape, xs[i], box.y + box.height - (row + 0.6) * GROUND, 2.6);
      parts.push(`<path d="${path}" fill="${bits & 2 ? colour : "none"}" stroke="${colour}"/>`);
    }));
  }
  return parts.join("");
}

/** Return a panel as an SVG document. */
function svgOf(panel) {
  const width = 720, parts = [], text = colourOf("--text"), target = ABOUT.metrics[panel.metric].target;
  let top = 62;
  if (state.show !== "differences") {
    const log = isLog(panel), range = log ? logRange(panel) : rangeOf(panel.lines.map((line) => line.value), 0, 240);
    parts.push(svgPlot(panel.lines, { x: 70, y: top, width: 630, height: 240 }, range, target, false, log));
    top += 290;
  }
  if (state.show !== "scores" && panel.gaps.length) {
    parts.push(`<text x="16" y="${top - 8}" fill="${text}">${safe(panel.gapTitle())}</text>`);
    parts.push(svgPlot(panel.gaps, { x: 70, y: top, width: 630, height: 180 }, gapRange(panel, 180), 0, true));
    top += 230;
  }
  parts.push(`<text x="700" y="${top - 16}" text-anchor="end" fill="${text}">lead time [h]</text>`);
  for (const line of panel.lines) {
    parts.push(`<path d="M16 ${top}h28" stroke="${line.look.colour}" stroke-width="2" stroke-dasharray="${line.look.dash.join(" ")}"/><path d="${markerPath(line.look.shape, 30, top)}" fill="${line.look.colour}"/>`);
    parts.push(`<text x="52" y="${top + 4}" fill="${text}">${safe(labelOf(line.source))}</text>`);
    top += 18;
  }
  const heading = `<text x="16" y="24" font-size="16" font-weight="600" fill="${text}">${safe(panel.title())}</text><text x="16" y="44" fill="${colourOf("--soft")}">${safe(filterText())}; ${safe(ABOUT.metrics[panel.metric].better)}</text>`;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${top + 8}" viewBox="0 0 ${width} ${top + 8}" font-family="system-ui, sans-serif" font-size="12"><rect width="100%" height="100%" fill="${colourOf("--ground")}"/>${heading}${parts.join("")}</svg>`;
}

const HEADS = ["truth", "param", "metric", "units", "threshold", ...CHOICES.slice(1), "source", "label", "lead_time", "value", "n_inits", "n_days", "n_pairs", "sample"];
const plain = (value) => (Number.isFinite(value) ? String(Number(value.toPrecision(ABOUT.digits))) : "");

/** Return the rows of a series at some lead times, with the columns HEADS. */
function scoreRows(panel, metric, threshold, unit, source, series, leads) {
  return leads.map((i) => [WORDS.truth[state.truth], WORDS.param[panel.param], metric, unit, threshold, ...CHOICES.slice(1).map((name) => WORDS[name][state[name]]),
    sourceName(source), labelOf(source), LEADS[i], plain(series.value[i]), series.inits[i], series.days[i], series.pairs[i], series.alone[i] ? "alone" : "common"]);
}

/** Return the rows of a panel of scores over lead time: its head, and what it shows. */
function panelRows(panel) {
  const rows = panel.lines.flatMap((line) => {
    const gap = panel.gaps.find((one) => one.source === line.source), all = LEADS.map((_, i) => i), metric = line.source === TRUTH ? "STD_O" : WORDS.metric[panel.metric];
    return scoreRows(panel, metric, panel.thresholdText(), panel.unit(), line.source, line, all).map((row, i) => [...row, ...(gap
      ? [WORDS.source[state.reference], plain((gap.inUnits ?? gap.value)[i]), plain(gap.relative[i]), plain(gap.half[i] * (gap.inUnits ? Math.abs(gap.inUnits[i] / gap.value[i]) : 1)), markText(gap.marks[i])]
      : ["", "", "", "", ""])]);
  });
  return [[...HEADS, "reference", "difference", "relative", "half_width", "mark"], ...rows];
}

/** Return rows as CSV. */
function csvOf(rows) {
  const cell = (value) => (/[",\r\n]/.test(value) ? `"${String(value).replace(/"/g, '""')}"` : String(value));
  return rows.map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
}

/** Give a file to the reader. */
function save(name, blob) {
  const link = element("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

/** Return a picture of an SVG document as PNG, twice as large. */
function pngOf(svg) {
  return new Promise((done, failed) => {
    const picture = new Image();
    picture.onload = () => {
      const canvas = element("canvas", { width: 2 * picture.width, height: 2 * picture.height });
      canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
      canvas.toBlob((blob) => (blob ? done(blob) : failed(new Error("no picture"))), "image/png");
    };
    picture.onerror = () => failed(new Error("no picture"));
    picture.src = "data:image/svg+xml;charset=utf-8," + encodeURIComponent(svg);
  });
}

/** Save a panel as a file of a kind. */
async function exportPanel(panel, kind) {
  const name = panel.title().replace(/[^A-Za-z0-9_.-]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 100) + "." + kind;
  if (kind === "csv") save(name, new Blob([csvOf(panel instanceof Panel ? panelRows(panel) : [HEADS, ...panel.rows()])], { type: "text/csv" }));
  else if (kind === "svg") save(name, new Blob([panel.svg()], { type: "image/svg+xml" }));
  else save(name, await pngOf(panel.svg()));
  announce(`${name} is saved`);
}
