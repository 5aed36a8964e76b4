// The controls above the panels, and the legend.
const TITLES = { truth: "truth", region: "region", season: "season", init_hour: "init hour [UTC]", valid_hour: "valid hour [UTC]", case: "case", scale: "scale" };
const scaleText = (scale) => (scale === 0 ? "the grid" : `boxes of ${scale} km`);

const wordText = (name, word) => (name === "scale" ? scaleText(word) : word || "none");
/** Return the values of a choice; regions that cases brought with them are there with their case only. */
const valuesOf = (name) => WORDS[name].map((word, i) => [i, wordText(name, word)]).filter(([i]) => name !== "region" || i === state.region || ABOUT.strata.some((one) => one[0] === i && one[4] === 0));

/** Return a labelled choice among values: pairs of a value and a text. */
function choice(name, title, options, now, take) {
  const select = element("select", { id: "choose-" + name, onchange: () => take(select.value) },
    ...options.map(([value, text]) => element("option", { value }, text)));
  select.value = String(now);
  return element("label", { class: "field" }, title, select);
}

/** Return a list of boxes to tick, folded. */
function boxes(name, title, words) {
  const tick = (i) => element("label", {}, element("input", {
    type: "checkbox", name, value: i, checked: state[name].includes(i),
    onchange: () => change({ [name]: [...document.querySelectorAll(`input[name=${name}]:checked`)].map((box) => Number(box.value)) }),
  }), ` ${words[i]}`);
  const all = (chosen) => () => { document.querySelectorAll(`input[name=${name}]`).forEach((box) => { box.checked = chosen; }); change({ [name]: chosen ? words.map((_, i) => i) : [] }); };
  const inside = element("fieldset", {}, element("legend", { class: "small soft" }, title), ...words.map((_, i) => tick(i)),
    element("button", { type: "button", onclick: all(true) }, "all"), element("button", { type: "button", onclick: all(false) }, "none"));
  return element("details", { id: "choose-" + name }, element("summary", {}, `${title} (${state[name].length} of ${words.length})`), inside);
}

/** Return a switch. */
function toggle(name, title) {
  return element("label", {}, element("input", { type: "checkbox", id: "choose-" + name, checked: state[name], onchange: (event) => change({ [name]: event.target.checked }) }), ` ${title}`);
}

/** Put the controls onto the page as the state says. */
function drawControls() {
  const place = document.getElementById("controls"), made = [], open = [...place.querySelectorAll("details[open]")].map((one) => one.id);
  const focused = document.activeElement?.id;
  const take = (name) => (value) => (STRATA.includes(name) ? choose(name, Number(value)) : change({ [name]: Number(value) })), leads = ["lead", "activity"].includes(state.view);
  if (viewsThere().length > 1) made.push(choice("view", "view", viewsThere().map((name) => [name, VIEWS[name].title]), state.view, (value) => change({ view: value })));
  for (const name of CHOICES) if (WORDS[name].length > 1 && (leads || name !== "scale")) made.push(choice(name, TITLES[name], valuesOf(name), state[name], take(name)));
  const thresholds = WORDS.threshold.map((text, i) => [i, text]).filter(([, text]) => text);
  if (thresholds.length > 1 && ["lead", "performance"].includes(state.view)) made.push(choice("threshold", "threshold", [[-1, "each"], ...thresholds], state.threshold, take("threshold")));
  if (leads && ABOUT.references.length) made.push(choice("reference", "difference to", ABOUT.references.map((i) => [i, labelOf(i)]), state.reference, take("reference")));
  if (leads) made.push(choice("show", "show", [["both", "scores and differences"], ["scores", "scores"], ["differences", "differences"]], state.show, (value) => change({ show: value })));
  if (state.view === "quantiles") made.push(choice("lead", "lead time", LEADS.map((lead) => [lead, `${lead} h`]), state.lead, take("lead")));
  else if (LEADS.length > 1) for (const [name, title] of [["from", "lead times from"], ["to", "to"]])
    made.push(choice(name, title, LEADS.filter((lead) => (name === "from" ? lead < state.to : lead > state.from)).map((lead) => [lead, `${lead} h`]), state[name], take(name)));
  made.push(toggle("tables", "tables instead of plots"));
  if (leads) made.push(toggle("log", "logarithmic scores"), ...(ABOUT.references.length ? [toggle("percent", "differences in %")] : []));
  if (state.view === "lead") made.push(boxes("metric", "metrics", WORDS.metric));
  made.push(boxes("param", "params", WORDS.param));
  made.push(element("button", { type: "button", id: "reset", onclick: () => change(FIRST()) }, "first view"));
  place.replaceChildren(...made);
  open.forEach((id) => { const one = document.getElementById(id); if (one) one.open = true; });
  if (focused) document.getElementById(focused)?.focus();
}

const without = (list, one) => (list.includes(one) ? list.filter((other) => other !== one) : [...list, one].sort((a, b) => a - b));

/** Put the legend onto the page: a box hides a source, the star keeps it in front. */
function drawLegend() {
  const focused = document.activeElement?.id;
  const entries = WORDS.source.map((_, i) => [labelOf(i), i]).map(([label, i]) => element("span", { class: "entry", onpointerenter: () => hover(i), onpointerleave: () => hover(null) },
    element("label", {}, element("input", { type: "checkbox", id: `source-${i}`, checked: !state.hidden.includes(i), onchange: () => change({ hidden: without(state.hidden, i) }) }), keyOf(i), element("bdi", {}, label), ABOUT.alone.includes(i) ? element("span", { title: "few init times: compared pairwise" }, "†") : ""),
    element("button", { type: "button", id: `strong-${i}`, "aria-pressed": String(state.strong.includes(i)), "aria-label": `highlight ${label}`, title: "highlight", onclick: () => change({ strong: without(state.strong, i) }) }, "★")));
  document.getElementById("legend").replaceChildren(...entries);
  if (focused) document.getElementById(focused)?.focus();
}

/** Return what is filtered by, as text. */
function filterText() {
  const parts = CHOICES.filter((name) => (name === "truth" || WORDS[name].length > 1) && (name !== "case" || WORDS.case[state.case]))
    .map((name) => `${TITLES[name].replace(/ \[.*/, "")} ${wordText(name, WORDS[name][state[name]])}`);
  return parts.join(", ");
}
