// The selected picture with its boxes, and its zoom.

import { $, on, setText } from "../elements.js";
import { showBoxes } from "./boxes.js";
import { markOnHover } from "./mark.js";

const ZOOMS = [1, 1.5, 2, 3, 4];

export function mountViewer(page) {
  let zoom = 0;
  const zoomBy = (steps) => {
    zoom += steps;
    page.request();
  };
  on("zoom-in", "click", () => zoomBy(1));
  on("zoom-out", "click", () => zoomBy(-1));
  for (const kind of ["load", "error"]) on("picture", kind, () => page.request());
  on("show-labels", "change", () => page.request());
  addEventListener("resize", () => page.request());
  markOnHover("boxes");
  page.addPart(({ pictures: { selected }, models: { chosen } }) => {
    $("work").hidden = !selected;
    if (!selected) return;
    showImage(selected, ZOOMS[zoom]);
    $("zoom-out").disabled = zoom === 0;
    $("zoom-in").disabled = zoom === ZOOMS.length - 1;
    const detections = page.detectionsOf(selected) ?? [];
    showBoxes(detections, chosen.classes, selected.answer);
    setText("status", statusOf(selected, detections.length));
  });
}

/** The picture itself, without its boxes. */
function showImage({ url, file, answer, state }, zoom) {
  const image = $("picture");
  if (image.dataset.url !== url) {
    image.dataset.url = image.src = url;
    image.alt = file.name;
  }
  $("figure").hidden = state === "failed" && !image.naturalWidth;
  const ratio = answer ? answer.width / answer.height : image.naturalWidth / image.naturalHeight || 4 / 3;
  $("shot").style.setProperty("--ratio", ratio);
  $("shot").style.setProperty("--zoom", zoom);
  $("shot").classList.toggle("busy", !answer && state !== "failed");
  setText("zoom-shown", zoom === 1 ? "fit" : `${zoom}×`);
}

function statusOf({ file, answer, problem }, count) {
  if (!answer) return problem ? "" : "Detecting…";
  return `${count} ${count === 1 ? "detection" : "detections"} in ${file.name}, ${answer.width} × ${answer.height}`;
}
