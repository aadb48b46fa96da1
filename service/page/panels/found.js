// The table of the detections in the selected picture.

import { swatch } from "../colours.js";
import { $, element } from "../elements.js";

export function mountFound(page) {
  let shown = null;
  page.addPart(({ pictures: { selected }, models: { chosen } }) => {
    const detections = selected && page.detectionsOf(selected);
    $("found").hidden = !detections;
    if (detections === shown) return;
    shown = detections;
    const rows = detections?.map((found, index) => rowOf(found, index, chosen.classes));
    $("rows").replaceChildren(...(rows ?? []));
  });
}

function rowOf({ label, score, box }, index, classes) {
  const row = element("tr", {}, element("td", {}, swatch(label), classes[label]));
  row.dataset.index = index;
  row.append(element("td", { textContent: score.toFixed(3) }));
  row.append(...box.map((edge) => element("td", { textContent: edge.toFixed(1) })));
  return row;
}
