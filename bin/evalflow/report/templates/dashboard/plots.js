// How a panel is drawn by uPlot: lines of scores, and paired differences with their bands and marks.
const SYNC = "lead";
const GROUND = 8; // pixels a row of marks takes

/** Return whether a source is drawn strongly, faintly or as usual: its opacity and width. */
function weightOf(source) {
  const strong = hovered === null ? state.strong : [hovered];
  if (!strong.length) return { alpha: 1, width: 2 };
  return strong.includes(source) ? { alpha: 1, width: 3.5 } : { alpha: 0.2, width: 1.5 };
}
let hovered = null;

const axisOf = (more) => ({
  stroke: colourOf("--soft"), grid: { stroke: colourOf("--line"), width: 1 }, ticks: { show: false },
  font: "11px system-ui, sans-serif", ...more,
});

/** Draw the markers of lines where they have room. */
function drawMarkers(plot, lines) {
  const context = plot.ctx, ratio = devicePixelRatio, room = (plot.bbox.width / ratio) / Math.max(LEADS.length - 1, 1);
  const step = Math.max(1, Math.ceil(12 / room));
  lines.forEach((line) => {
    context.save();
    context.globalAlpha = weightOf(line.source).alpha;
    context.fillStyle = line.look.colour;
    for (let i = line.source % step; i < LEADS.length; i += step) {
      if (!Number.isFinite(line.value[i]) || LEADS[i] < plot.scales.x.min || LEADS[i] > plot.scales.x.max) continue;
      const x = plot.valToPos(LEADS[i], "x", true), y = plot.valToPos(line.value[i], "y", true);
      context.fill(new Path2D(markerPath(line.look.shape, x, y, 3 * ratio)));
    }
    context.restore();
  });
}

/** Draw the line at 0 (or at the best value). */
function drawZero(plot, at) {
  const y = plot.valToPos(at, "y", true), box = plot.bbox;
  if (!(y >= box.top && y <= box.top + box.height)) return;
  plot.ctx.save();
  plot.ctx.strokeStyle = colourOf("--text");
  plot.ctx.lineWidth = devicePixelRatio;
  plot.ctx.beginPath();
  plot.ctx.moveTo(box.left, y);
  plot.ctx.lineTo(box.left + box.width, y);
  plot.ctx.stroke();
  plot.ctx.restore();
}

/** Draw the marks of significance on the axis of lead time: a row per source; full where q is small too. */
function drawMarks(plot, lines) {
  const context = plot.ctx, ratio = devicePixelRatio, bottom = plot.bbox.top + plot.bbox.height;
  lines.forEach((line, row) => line.marks.forEach((bits, i) => {
    if (!(bits & 1) || LEADS[i] < plot.scales.x.min || LEADS[i] > plot.scales.x.max) return;
    context.save();
    context.globalAlpha = weightOf(line.source).alpha;
    context.fillStyle = context.strokeStyle = line.look.colour;
    context.lineWidth = 1.4 * ratio;
    const y = bottom - (row + 0.6) * GROUND * ratio;
    const path = new Path2D(markerPath(line.look.shape, plot.valToPos(LEADS[i], "x", true), y, 2.6 * ratio));
    if (bits & 2) context.fill(path); else context.stroke(path);
    context.restore();
  }));
}

/** Return the range of the axis of lead time; a single one stands in its middle. */
const leadRange = () => (state.from < state.to ? [state.from, state.to] : [state.from - 1, state.to + 1]);

/** Return the range of y values of arrays between the lead times shown, with a margin. */
function rangeOf(arrays, rows, height, also = []) {
  let low = Infinity, high = -Infinity;
  const meet = (value) => { if (Number.isFinite(value)) { low = Math.min(low, value); high = Math.max(high, value); } };
  arrays.forEach((array) => array.forEach((value, i) => { if (LEADS[i] >= state.from && LEADS[i] <= state.to) meet(value); }));
  also.forEach(meet);
  if (low > high) return [0, 1];
  const margin = (high - low || Math.abs(high) || 1) * 0.06;
  const ground = (high - low + 2 * margin) * ((rows * GROUND) / Math.max(height - rows * GROUND, 40));
  return [low - margin - ground, high + margin];
}

/** Return whether the values of lines may have a logarithmic axis. */
const positive = (lines) => lines.some((line) => line.value.some(Number.isFinite)) && lines.every((line) => line.value.every((value) => !(value <= 0)));

/** Return the range of a logarithmic axis of scores. */
function logRange(panel) {
  const [low, high] = rangeOf(panel.lines.map((line) => line.value.map(Math.log)), 0, 200);
  return [Math.exp(low), Math.exp(high)];
}

/** Return round numbers for a logarithmic axis: evenly spaced ones where it spans less than a decade. */
function logTicks(low, high) {
  if (high / low < 10) return ticksOf(low, high, 4);
  const factors = high / low < 1e4 ? [1, 2, 5] : [1], found = [];
  for (let power = Math.floor(Math.log10(low)); 10 ** power <= high; power++) found.push(...factors.map((factor) => factor * 10 ** power));
  return found.filter((tick) => tick >= low && tick <= high);
}

/** Return what both kinds of plots have in common. */
function commonOptions(panel, width, height, hooks) {
  return {
    width, height, legend: { show: false }, padding: [8, 20, 0, 0],
    cursor: { sync: { key: SYNC, scales: ["x", null] }, drag: { x: true, y: false, setScale: false }, points: { show: false }, y: false },
    hooks: { setCursor: [(plot) => panel.say(plot)], setSelect: [(plot) => zoomTo(plot)], ...hooks },
  };
}

/** Zoom all panels to what was dragged over. */
function zoomTo(plot) {
  if (plot.select.width < 4) return;
  const [from, to] = [plot.select.left, plot.select.left + plot.select.width].map((x) => plot.posToVal(x, "x"));
  const inside = LEADS.filter((lead) => lead >= from && lead <= to);
  plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
  if (inside.length > 1) change({ from: inside[0], to: inside[inside.length - 1] });
}

const leadAxis = (show) => axisOf({ show: true, incrs: [0.25, 0.5, 1, 2, 3, 6, 12, 24, 48, 72, 120, 240], space: 36, size: show ? 30 : 8, values: show ? (_, ticks) => ticks.map((tick, i) => `${tick}${i === ticks.length - 1 ? " h" : ""}`) : () => [] });
const valueAxis = () => axisOf({ size: 54, values: (_, ticks) => ticks.map((tick) => (tick === null ? "" : numberText(tick))) });

const orNull = (values) => Array.from(values, (value) => (Number.isFinite(value) ? value : null));

/** Return what the plot of scores shows. */
const scoreData = (panel) => [LEADS, ...panel.lines.map((line) => orNull(line.value))];

/** Return whether the scores of a panel have a logarithmic axis. */
const isLog = (panel) => state.log && ABOUT.metrics[panel.metric].target === null && positive(panel.lines);

/** Make the plot of scores in `place`. */
function plotScores(panel, place, width, height) {
  const lines = panel.lines, metric = ABOUT.metrics[panel.metric], log = isLog(panel);
  const options = commonOptions(panel, width, height, {
    draw: [(plot) => { if (metric.target !== null) drawZero(plot, metric.target); drawMarkers(plot, panel.lines); }],
  });
  options.axes = [leadAxis(state.show === "scores"), log ? { ...valueAxis(), splits: (_, axis, low, high) => logTicks(low, high), filter: (_, ticks) => ticks } : valueAxis()];
  options.scales = {
    x: { time: false, range: leadRange },
    y: log ? { distr: 3, range: () => logRange(panel) } : { range: () => rangeOf(panel.lines.map((line) => line.value), 0, height) },
  };
  options.series = [{}, ...lines.map((line) => ({ stroke: line.look.colour, dash: line.look.dash, points: { show: false }, spanGaps: true, ...weightOf(line.source) }))];
  return new uPlot(options, scoreData(panel), place);
}

/** Return a colour with an opacity. */
const faint = (colour, part) => colour + Math.round(part * 255).toString(16).padStart(2, "0");

/** Return one edge of the band of a line. */
const edgeOf = (line, sign) => line.value.map((value, i) => value + sign * line.half[i]);

/** Return what the plot of differences shows: per source the line and the two edges of its band. */
const gapData = (panel) => [LEADS, ...panel.gaps.flatMap((line) => [line.value, edgeOf(line, 1), edgeOf(line, -1)].map(orNull))];

/** Return the lines of differences that have a mark. */
const markedOf = (panel) => panel.gaps.filter((line) => line.marks.some((bits) => bits & 1));

/** Return the range of the axis of differences: bands and 0 inside, marks below. */
const gapRange = (panel, height) => rangeOf(panel.gaps.flatMap((line) => [line.value, edgeOf(line, 1), edgeOf(line, -1)]), markedOf(panel).length, height, [0]);

/** Make the plot of differences in `place`. */
function plotDifferences(panel, place, width, height) {
  const lines = panel.gaps;
  const options = commonOptions(panel, width, height, {
    draw: [(plot) => { drawZero(plot, 0); drawMarkers(plot, panel.gaps); drawMarks(plot, markedOf(panel)); }],
  });
  options.axes = [leadAxis(true), valueAxis()];
  options.scales = {
    x: { time: false, range: leadRange },
    y: { range: () => gapRange(panel, height - 40) },
  };
  options.series = [{}];
  options.bands = [];
  lines.forEach((line, i) => {
    const weight = weightOf(line.source);
    options.series.push({ stroke: line.look.colour, dash: line.look.dash, points: { show: false }, spanGaps: true, ...weight });
    for (let n = 0; n < 2; n++) options.series.push({ stroke: "transparent", width: 0, points: { show: false } });
    options.bands.push({ series: [3 * i + 2, 3 * i + 3], fill: faint(line.look.colour, 0.16 * weight.alpha) });
  });
  return new uPlot(options, gapData(panel), place);
}
