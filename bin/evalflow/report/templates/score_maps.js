// Shows the maps of one selection; without this script all are shown, one after the other.
"use strict";
(() => {
  const form = document.getElementById("choose");
  if (!form) return;
  const selects = [...form.querySelectorAll("select")];
  const sections = [...document.querySelectorAll(".choice")];
  const values = new Map(sections.map((section) => [section, JSON.parse(section.dataset.values)]));
  const same = (one, other) => one.every((value, place) => value === other[place]);

  const show = () => {
    const chosen = selects.map((select) => select.value);
    for (const section of sections) section.hidden = !same(values.get(section), chosen);
    document.getElementById("none").hidden = sections.some((section) => !section.hidden);
  };

  const restore = () => {
    let wanted = null;
    try {
      wanted = JSON.parse(decodeURIComponent(location.hash.slice(1)));
    } catch {
      // no selection in the address
    }
    const known = Array.isArray(wanted) && sections.some((section) => same(values.get(section), wanted));
    const chosen = known ? wanted : values.get(sections[0]);
    selects.forEach((select, place) => (select.value = chosen[place]));
    show();
  };

  form.addEventListener("change", () => {
    show();
    const chosen = selects.map((select) => select.value);
    history.replaceState(null, "", "#" + encodeURIComponent(JSON.stringify(chosen)));
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  addEventListener("hashchange", restore);
  form.hidden = false;
  restore();
})();
