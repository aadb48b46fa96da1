// The panel of classes: a check box for each, with the number of its detections in the selected picture.

import { swatch } from "../colours.js";
import { $, element, on } from "../elements.js";

export function mountClasses(page) {
  on("classes", "change", () => page.request());
  page.onModel(({ classes }) => $("classes").replaceChildren(...classes.map(choiceOf)));
  page.addPart(() => {
    const detections = page.pictures.selected && page.detectionsOf(page.pictures.selected);
    for (const [label, output] of $("classes").querySelectorAll("output").entries()) {
      output.textContent = detections ? detections.filter((found) => found.label === label).length : "";
    }
  });
}

function choiceOf(name, label) {
  const box = element("input", { type: "checkbox", checked: true, value: label, name: "class" });
  return element("li", {}, element("label", {}, box, swatch(label), name, element("output")));
}
