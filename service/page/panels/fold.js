// The button that unfolds the settings on a narrow page, where they would push other parts away.

import { $, on } from "../elements.js";

export function mountFold() {
  on("fold", "click", () => {
    const isFolded = document.querySelector("aside").classList.toggle("folded");
    $("fold").setAttribute("aria-expanded", !isFolded);
  });
}
