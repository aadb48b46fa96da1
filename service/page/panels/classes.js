// The panel of classes: a check box for each, with the number of its detections in the selected picture and in all.

import { swatch } from "../colours.js";
import { totalOf } from "../detections/ranking.js";
import { $, element, on } from "../elements.js";

export function mountClasses(page) {
  on("classes", "change", () => page.request());
  page.onModel(({ classes }) => $("classes").replaceChildren(...classes.map(choiceOf)));
  page.addPart(({ pictures: { list, selected } }) => {
    const here = selected && page.detectionsOf(selected) && page.summaryOf(selected).counts;
    const total = list.length > 1 && totalOf(list.map((picture) => page.summaryOf(picture)));
    const countOf = (counts, label) => (counts ? (counts.get(label) ?? 0) : "–");
    $("classes-columns").hidden = !total;
    for (const [label, output] of $("classes").querySelectorAll("output").entries()) {
      const texts = [...(here || total ? [countOf(here, label)] : []), ...(total ? [countOf(total, label)] : [])];
      if (output.textContent !== texts.join(" / ")) output.textContent = texts.join(" / ");
    }
  });
}

function choiceOf(name, label) {
  const box = element("input", { type: "checkbox", checked: true, value: label, name: "class" });
  return element("li", {}, element("label", {}, box, swatch(label), name, element("output", { ariaLive: "off" })));
}
