// Marks a detection in the picture and in the table at once.

import { on } from "../elements.js";

/** Mark the detection of the element with a `data-index` that the pointer is on, inside the element with this id. */
export function markOnHover(id) {
  on(id, "pointerover", (event) => mark(event.target.closest("[data-index]")?.dataset.index ?? null));
  on(id, "pointerleave", () => mark(null));
}

/** Mark the detection with this index; null marks none. */
export function mark(index) {
  for (const hot of document.querySelectorAll(".hot")) hot.classList.remove("hot");
  if (index === null) return;
  for (const node of document.querySelectorAll(`[data-index="${index}"]`)) node.classList.add("hot");
}
