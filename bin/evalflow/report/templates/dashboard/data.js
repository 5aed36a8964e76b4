// What the page holds: words, and arrays per truth and param that are decoded when they are needed.
const ABOUT = JSON.parse(document.getElementById("about").textContent);
const WORDS = ABOUT.words;
ABOUT.sources.push({ label: "truth" }); // has a line of its own beside the activity of forecasts
const LEADS = WORDS.lead_time;
const STRATA = ["region", "season", "init_hour", "valid_hour", "case"];
const KEYS = ["metric", "threshold", "scale", ...STRATA, "source"];
const NONE = new Float32Array(LEADS.length).fill(NaN);

/** Return the bytes of a deflated base64 text. */
async function inflated(text) {
  const letters = atob(text), bytes = new Uint8Array(letters.length);
  for (let i = 0; i < letters.length; i++) bytes[i] = letters.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Reads arrays whose bytes were written apart: first bytes of all values, then the second ones. */
class Reader {
  constructor(bytes) {
    this.bytes = bytes;
    this.at = 0;
  }
  take(Kind, count) {
    const size = Kind.BYTES_PER_ELEMENT, joined = new Uint8Array(count * size);
    for (let part = 0; part < size; part++)
      for (let i = 0; i < count; i++) joined[i * size + part] = this.bytes[this.at++];
    return new Kind(joined.buffer);
  }
}

/** Return the number that names a series: its codes as digits. */
function joined(codes) {
  let name = 0;
  codes.forEach((code, column) => { name = name * WORDS[KEYS[column] ?? "source"].length + code; });
  return name;
}

/** Return name of a series → its place, for `count` series whose codes are in `codes`, column by column. */
function places(codes, columns, count) {
  const found = new Map(), one = new Array(columns);
  for (let i = 0; i < count; i++) {
    for (let column = 0; column < columns; column++) one[column] = codes[column * count + i];
    found.set(joined(one), i);
  }
  return found;
}

/** Return the arrays of a part of the page. */
async function decoded(number) {
  const head = ABOUT.parts[number], reader = new Reader(await inflated(document.getElementById("part-" + number).textContent));
  const n = head.scores, m = head.differences, all = LEADS.length, columns = KEYS.length;
  const part = { scores: places(reader.take(Uint16Array, columns * n), columns, n), value: reader.take(Float32Array, n * all) };
  for (const name of ["inits", "days", "pairs"]) part[name] = reader.take(Uint32Array, n * all);
  part.alone = reader.take(Uint8Array, n * all);
  part.differences = places(reader.take(Uint16Array, (columns + 1) * m), columns + 1, m);
  for (const name of ["rest", "relativeRest", "half"]) part[name] = reader.take(Float32Array, m * all);
  part.marks = reader.take(Uint8Array, m * all);
  part.pairedDays = reader.take(Uint32Array, m * all);
  return part;
}

const headOf = (truth, param) => ABOUT.parts.find((head) => head.truth === truth && head.param === param);

const PARTS = new Map();
/** Return the arrays of a truth and a param, decoded once; null where there are none. */
function partOf(truth, param) {
  const number = ABOUT.parts.indexOf(headOf(truth, param));
  if (number < 0) return Promise.resolve(null);
  if (!PARTS.has(number)) PARTS.set(number, decoded(number));
  return PARTS.get(number);
}

/** Return what a difference is taken of: the value, or its distance from the best one. */
const distance = (metric, value) => {
  const target = ABOUT.metrics[metric].target;
  return target === null ? value : Math.abs(value - target);
};

/** Return the series of one source, or null; `codes` names all keys but the source. */
function scoreOf(part, codes, source) {
  const place = part.scores.get(joined([...codes, source]));
  if (place === undefined) return null;
  const cut = (array) => array.subarray(place * LEADS.length, (place + 1) * LEADS.length);
  return { value: cut(part.value), inits: cut(part.inits), days: cut(part.days), pairs: cut(part.pairs), alone: cut(part.alone) };
}

const orZero = (value) => (Number.isFinite(value) ? value : 0);

/** Return the paired differences of a source to the reference, in units and in percent, or null. */
function differenceOf(part, codes, source, reference) {
  const place = part.differences.get(joined([...codes, source, reference]));
  if (place === undefined) return null;
  const cut = (array) => array.subarray(place * LEADS.length, (place + 1) * LEADS.length);
  const own = scoreOf(part, codes, source)?.value ?? NONE, other = scoreOf(part, codes, reference)?.value ?? NONE;
  const base = Array.from(other, (value) => Math.abs(distance(codes[0], value))), half = cut(part.half);
  const value = Array.from(cut(part.rest), (rest, i) => orZero(distance(codes[0], own[i]) - distance(codes[0], other[i])) + rest);
  const relative = Array.from(cut(part.relativeRest), (rest, i) => orZero((100 * value[i]) / base[i]) + rest);
  const relativeHalf = relative.map((percent, i) => half[i] * (value[i] ? Math.abs(percent / value[i]) : 100 / base[i]));
  return { value, score: own, half, relative, relativeHalf, marks: cut(part.marks), days: cut(part.pairedDays) };
}
