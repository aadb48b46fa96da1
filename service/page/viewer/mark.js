// Marks a detection in the picture and in the table at once.

import { on } from "../elements.js";

const reactions = [];

/** Call `react(index)` whenever another detection is marked; the index is null if none is. */
export function onMark(react) {
  reactions.push(react);
}

/** Mark the detection of the element with a `data-index` that the pointer is on, inside the element with this id. */
export function markOnHover(id) {
  on(id, "pointerover", (event) => {
    const index = event.target.closest("[data-index]")?.dataset.index;
    mark(index === undefined ? null : Number(index));
  });
  on(id, "pointerleave", () => mark(null));
}

/** Mark the detection with this index; null marks none. */
export function mark(index) {
  for (const hot of document.querySelectorAll(".hot")) hot.classList.remove("hot");
  for (const row of document.querySelectorAll(`[data-index="${index}"]`)) row.classList.add("hot");
  for (const react of reactions) react(index);
}
