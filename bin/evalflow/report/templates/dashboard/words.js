// Numbers, elements and keys as people read them. Texts of users go through textContent only.
const MINUS = "\u2212", SPACE = "\u00a0";

/** Return a number with five significant digits, `–` where it is missing. */
function numberText(value, signed = false) {
  if (!Number.isFinite(value)) return "–";
  const text = String(Number(value.toPrecision(5)));
  return (signed && value > 0 ? "+" : "") + text.replace(/^-/, MINUS);
}
const withUnit = (text, unit) => (unit && text !== "–" ? text + SPACE + unit : text);

/** Return a difference with as many decimals as the score that it is of. */
function differenceText(value, score) {
  if (!Number.isFinite(value)) return "–";
  const size = Number.isFinite(score) && score !== 0 ? Math.floor(Math.log10(Math.abs(score))) : 0;
  return numberText(Number(value.toFixed(Math.min(Math.max(4 - size, 0), 12))), true);
}

/** Return an element; children are elements or texts. */
function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes))
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value === true) made.setAttribute(key, "");
    else if (value !== false && value !== null) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

// Asking for a style makes the browser compute all of them, so each colour is asked for once.
const COLOURS = new Map();
const colourOf = (name) => {
  if (!COLOURS.has(name)) COLOURS.set(name, getComputedStyle(document.documentElement).getPropertyValue(name).trim());
  return COLOURS.get(name);
};
const DASHES = [[], [7, 3], [2, 3], [9, 3, 2, 3]];
/** Return how a source looks: colour, dash and marker, so that colour is never the only difference. */
function lookOf(source) {
  if (source === WORDS.source.length) return { colour: colourOf("--text"), dash: [2, 3], shape: 3 }; // the truth
  const style = ABOUT.sources[source].style;
  return { colour: colourOf("--s" + (style % 8)), dash: DASHES[Math.floor(style / 8) % 4], shape: style % 4 };
}

/** Return the outline of a marker around a point as SVG path. */
function markerPath(shape, x, y, size = 3) {
  if (shape === 0) return `M${x - size} ${y}a${size} ${size} 0 1 0 ${2 * size} 0a${size} ${size} 0 1 0 ${-2 * size} 0z`;
  if (shape === 1) return `M${x - size} ${y - size}h${2 * size}v${2 * size}h${-2 * size}z`;
  const high = size * 1.35;
  if (shape === 2) return `M${x} ${y - high}l${high} ${2 * size}h${-2 * high}z`;
  return `M${x} ${y - high}l${high} ${high}l${-high} ${high}l${-high} ${-high}z`;
}

/** Return the picture of a source in legends. */
function keyOf(source) {
  const look = lookOf(source), space = "http://www.w3.org/2000/svg";
  const picture = document.createElementNS(space, "svg");
  for (const [key, value] of Object.entries({ width: 28, height: 12, viewBox: "0 0 28 12", "aria-hidden": "true" })) picture.setAttribute(key, value);
  const line = document.createElementNS(space, "path"), marker = document.createElementNS(space, "path");
  line.setAttribute("d", "M1 6h26");
  line.setAttribute("stroke-width", 2);
  line.setAttribute("stroke", look.colour);
  line.setAttribute("stroke-dasharray", look.dash.join(" "));
  marker.setAttribute("d", markerPath(look.shape, 14, 6));
  marker.setAttribute("fill", look.colour);
  picture.append(line, marker);
  return picture;
}

/** Return what a mark of a difference says. */
function markText(bits) {
  if (!(bits & 1)) return "";
  const way = bits & 4 ? "better" : bits & 8 ? "worse" : "different";
  return bits & 2 ? `${way}, p < ${ABOUT.level}, q < ${ABOUT.rate}` : `${way}, p < ${ABOUT.level}`;
}
