"use strict";
/* Draws the frames of animations, those of several sources in step. A file of frames is a script that calls
   evalflow_frames: a page that is opened from a folder may load scripts, and no other files. */
const data = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const files = new Map(); // key → what a file of frames holds, or a promise of it
const waiting = new Map();
const KEPT = 24;
let panes = [], leads = [0], timer = null, latest = 0;

function evalflow_frames(key, file) {
  const found = waiting.get(key);
  waiting.delete(key);
  if (found) found(file);
}

function load(animation) {
  if (!files.has(animation.key)) {
    files.set(animation.key, new Promise((resolve, reject) => {
      waiting.set(animation.key, resolve);
      const script = document.createElement("script");
      script.src = animation.file.split("/").map(encodeURIComponent).join("/");
      script.onload = () => { script.remove(); if (waiting.delete(animation.key)) reject(); };
      script.onerror = () => { script.remove(); waiting.delete(animation.key); reject(); };
      document.head.append(script);
    }).then((file) => ({
      ...file,
      images: file.frames.map((frame) => frame && picture("data:image/webp;base64," + frame)),
      lines: picture("data:image/png;base64," + file.lines),
    })));
    for (const old of [...files.keys()].slice(0, -KEPT)) files.delete(old);
  }
  return files.get(animation.key);
}

function picture(source) {
  let image = null;
  return () => {
    if (!image) { image = new Image(); image.src = source; }
    return image.decode().then(() => image);
  };
}

function option(value, text) {
  const made = document.createElement("option");
  made.value = value; made.textContent = text;
  return made;
}

function keep(select, options) {
  const before = select.value;
  select.replaceChildren(...options);
  if ([...select.options].some((one) => one.value === before)) select.value = before;
}

const shown = () => ({ time: $("time").value, param: $("param").value, domain: $("domain").value });
const of = (state) => data.animations.filter((one) => one.time === state.time && one.param === state.param && one.domain === state.domain);
const pad = (number) => String(number).padStart(2, "0");
const wanted = (source) => { const box = document.querySelector(`#sources input[value="${source}"]`); return !box || box.checked; };

function utc(name, hours) {
  const start = Date.UTC(+name.slice(0, 4), name.slice(4, 6) - 1, +name.slice(6, 8), +name.slice(8, 10), +name.slice(10, 12));
  const time = new Date(start + hours * 3600e3);
  return `${time.getUTCFullYear()}-${pad(time.getUTCMonth() + 1)}-${pad(time.getUTCDate())} ${pad(time.getUTCHours())}:${pad(time.getUTCMinutes())}`;
}

function timeOptions() {
  const groups = new Map();
  for (const time of data.times) {
    for (const group of time.cases.length ? time.cases.map((one) => `case ${one}, chosen by its outcome`) : [""]) {
      if (!groups.has(group)) groups.set(group, []);
      groups.get(group).push(option(time.init_time, utc(time.init_time, 0)));
    }
  }
  return [...groups].flatMap(([name, options]) => {
    if (!name) return options;
    const group = document.createElement("optgroup");
    group.label = name;
    group.append(...options);
    return [group];
  });
}

function choose() {
  const time = $("time").value;
  const there = data.animations.filter((one) => one.time === time);
  keep($("param"), data.params.filter(([name]) => there.some((one) => one.param === name)).map(([name, title]) => option(name, `${name} ${title}`)));
  const param = there.filter((one) => one.param === $("param").value);
  keep($("domain"), data.domains.filter((name) => param.some((one) => one.domain === name)).map((name) => option(name, name)));
  const found = of(shown());
  const truths = [...new Set(found.filter((one) => one.truth !== null).map((one) => one.truth))];
  keep($("truth"), truths.map((number) => option(number, data.truths[number])));
  $("difference-label").hidden = !truths.length;
  const about = data.times.find((one) => one.init_time === time);
  $("chosen").hidden = !about || !about.cases.length;
  if (about && about.cases.length) {
    $("chosen").textContent = `This init time was chosen because of what happened afterwards (${about.cases.join(", ")}): it says nothing of how good a model is on the whole.`;
  }
  chooseMeteogram();
  return draw();
}

function chooseMeteogram() {
  const there = data.meteograms.filter((one) => one.time === $("time").value);
  $("meteograms").hidden = !there.length;
  keep($("place"), there.map((one) => option(one.name, one.name)));
  const one = there.find((found) => found.name === $("place").value);
  if (one) {
    const path = one.file.split("/").map(encodeURIComponent).join("/");
    $("meteogram").src = path;
    $("meteogram").alt = `Meteogram of ${one.name}, init ${utc(one.time, 0)} UTC: forecasts and truth over valid time`;
    $("meteogram-link").href = path;
  }
}

async function draw() {
  const turn = ++latest;
  const state = shown();
  const difference = $("difference").checked && !$("difference-label").hidden;
  const truth = Number($("truth").value);
  const found = of(state).filter((one) => wanted(one.source) && (difference ? one.truth === truth : one.truth === null));
  const order = data.sources.map((one) => one.id);
  found.sort((one, other) => order.indexOf(one.source) - order.indexOf(other.source));
  const loaded = await Promise.all(found.map((one) => load(one).catch(() => { files.delete(one.key); return null; })));
  if (turn !== latest) return;
  const place = leads[$("lead").value] ?? 0;
  leads = [...new Set(loaded.flatMap((file) => (file ? file.lead_times : [])))].sort((a, b) => a - b);
  if (!leads.length) leads = [0];
  $("lead").max = leads.length - 1;
  $("lead").value = Math.max(0, leads.findLastIndex((one) => one <= place));
  panes = found.map((one, number) => makePane(one, loaded[number]));
  $("panes").replaceChildren(...panes.map((pane) => pane.element));
  if (!panes.length) $("panes").textContent = data.animations.length ? "Nothing is drawn of this choice." : "There are no animations.";
  drawLegend(loaded.find((file) => file));
  return step(0);
}

function makePane(animation, file) {
  const element = document.createElement("figure");
  element.className = "pane";
  const caption = document.createElement("figcaption");
  caption.textContent = data.sources.find((one) => one.id === animation.source).label;
  const map = document.createElement("div");
  map.className = "map";
  const canvas = document.createElement("canvas");
  canvas.width = file ? file.width : 900;
  canvas.height = file ? file.height : 300;
  canvas.setAttribute("role", "img");
  const message = document.createElement("div");
  message.className = "message";
  map.append(canvas, message);
  const below = document.createElement("p");
  below.className = "notes";
  for (const film of animation.films) {
    const link = document.createElement("a");
    link.href = film.split("/").map(encodeURIComponent).join("/");
    link.textContent = film.split(".").pop();
    below.append(link, " ");
  }
  if (file) below.append(file.notes.slice(0, 2).join("; "));
  element.append(caption, map, below);
  return { element, canvas, message, file, label: caption.textContent };
}

async function drawPane(pane, lead, turn) {
  const { file, canvas, message } = pane;
  const place = file ? file.lead_times.indexOf(lead) : -1;
  const images = place >= 0 && file.images[place] ? await Promise.all([file.images[place](), file.lines()]) : null;
  if (turn !== latest) return;
  const context = canvas.getContext("2d");
  context.clearRect(0, 0, canvas.width, canvas.height);
  if (images) for (const image of images) context.drawImage(image, 0, 0);
  message.textContent = images ? "" : file ? `no field at +${lead} h` : "these frames cannot be loaded";
  canvas.dataset.lead = images ? lead : "";
  canvas.setAttribute("aria-label", `${pane.label}: ${images ? `${file.title} at +${lead} h` : message.textContent}`);
}

function step(by) {
  const slider = $("lead");
  slider.value = (Number(slider.value) + by + leads.length) % leads.length;
  const lead = leads[slider.value];
  const text = `+${lead} h, valid ${utc($("time").value || "197001010000", lead)} UTC`;
  $("when").textContent = text;
  slider.setAttribute("aria-valuetext", text);
  const turn = ++latest;
  return Promise.all(panes.map((pane) => drawPane(pane, lead, turn)));
}

function drawLegend(file) {
  $("legend").replaceChildren();
  if (!file) return;
  const width = 900, wide = width / file.colours.length, every = Math.max(1, Math.round(34 / wide));
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const add = (name, attributes, text) => {
    const made = document.createElementNS(svg.namespaceURI, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text !== undefined) made.textContent = text;
    svg.append(made);
  };
  svg.setAttribute("viewBox", `0 0 ${width} 46`);
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", `colours from ${file.bounds[0]} to ${file.bounds.at(-1)} ${file.units}`);
  file.colours.forEach((colour, place) => add("rect", { x: place * wide, y: 0, width: wide + 0.3, height: 14, fill: colour }));
  file.bounds.forEach((bound, place) => {
    if (place % every === 0) add("text", { x: (place + 1) * wide, y: 26, "text-anchor": "middle" }, String(bound).replace("-", "\u2212"));
  });
  const lines = file.isolines ? `, lines every ${file.isolines} ${file.units}` : "";
  add("text", { x: 0, y: 42 }, `${file.param} ${file.title}${file.units === "1" ? "" : ` [${file.units}]`}${lines}`);
  $("legend").append(svg);
}

function play(on) {
  clearTimeout(timer);
  timer = null;
  $("play").textContent = on ? "pause" : "play";
  if (!on) return;
  const tick = async () => {
    await step(1);
    if ($("play").textContent === "pause") timer = setTimeout(tick, 1000 / (Number($("speed").value) || 2));
  };
  timer = setTimeout(tick, 1000 / (Number($("speed").value) || 2));
}

const playing = () => $("play").textContent === "pause";

$("time").append(...timeOptions());
for (const source of data.sources.filter((one) => data.animations.some((found) => found.source === one.id))) {
  const label = document.createElement("label");
  const box = document.createElement("input");
  box.type = "checkbox"; box.checked = true; box.value = source.id;
  box.addEventListener("change", draw);
  label.append(box, source.label);
  $("sources").append(label);
}
for (const id of ["time", "param", "domain"]) $(id).addEventListener("change", choose);
for (const id of ["difference", "truth"]) $(id).addEventListener("change", draw);
$("place").addEventListener("change", chooseMeteogram);
$("lead").addEventListener("input", () => step(0));
$("back").addEventListener("click", () => { play(false); step(-1); });
$("next").addEventListener("click", () => { play(false); step(1); });
$("play").addEventListener("click", () => play(!playing()));
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.target.closest("select, input[type=number]")) return;
  const onButton = event.target.closest("button, input[type=checkbox], a");
  const keys = {
    ArrowLeft: () => { play(false); step(-1); },
    ArrowRight: () => { play(false); step(1); },
    Home: () => { $("lead").value = 0; step(0); },
    End: () => { $("lead").value = leads.length - 1; step(0); },
    d: () => { if (!$("difference-label").hidden) { $("difference").checked = !$("difference").checked; draw(); } },
  };
  if (!onButton) keys[" "] = () => play(!playing());
  if (keys[event.key]) { event.preventDefault(); keys[event.key](); }
});
const asked = new URLSearchParams(location.hash.slice(1));
for (const id of ["time", "param", "domain"]) {
  if (!asked.get(id)) continue;
  if (!$(id).options.length) $(id).append(option(asked.get(id), ""));
  $(id).value = asked.get(id);
}
choose().then(() => { document.body.dataset.ready = "1"; });
