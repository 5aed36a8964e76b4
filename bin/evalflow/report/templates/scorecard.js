// Show all numbers of the cell under the pointer or with the focus; move the focus by the arrow keys.
"use strict";
{
  const place = document.getElementById("numbers");
  const cells = document.querySelectorAll("td[data-note]");
  const say = (event) => {
    const cell = event.target.closest("td[data-note]");
    if (cell) place.textContent = cell.dataset.note;
  };
  document.addEventListener("pointerover", say);
  document.addEventListener("click", say);
  document.addEventListener("focusin", say);
  for (const table of document.querySelectorAll("table.card")) {
    const first = table.querySelector("td[data-note]");
    if (first) first.tabIndex = 0;
  }
  const steps = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
  document.addEventListener("keydown", (event) => {
    const cell = event.target.closest?.("td[data-note]");
    const step = steps[event.key];
    if (!cell || !step) return;
    event.preventDefault();
    let row = cell.parentElement, column = cell.cellIndex, next = null;
    do {
      column += step[1];
      for (let count = step[0]; count; count = 0) row = count > 0 ? row.nextElementSibling : row.previousElementSibling;
      next = row?.cells[column];
    } while (next && next.dataset.note === undefined);
    if (next && next.dataset.note !== undefined) {
      cell.tabIndex = -1;
      next.tabIndex = 0;
      next.focus();
    }
  });
  if (cells.length) place.textContent = cells.length + " comparisons";
}
