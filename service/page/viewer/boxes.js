// The boxes over a picture.

import { colourOf } from "../colours.js";
import { $, element } from "../elements.js";

const TAG_HEIGHT = 17;

/** Show detections [{label, score, box xyxy in the picture's pixels}], best first, over a picture of `size`. */
export function showBoxes(detections, classes, size) {
  $("boxes").classList.toggle("bare", !$("show-labels").checked);
  const boxes = detections.map((found, index) => boxOf(found, index, classes, size));
  $("boxes").replaceChildren(...boxes.reverse()); // the best on top
}

/** A box whose place is in per cent of the picture, so that its lines are equally thin at each zoom. */
function boxOf({ label, score, box: [x1, y1, x2, y2] }, index, classes, { width, height }) {
  const made = element("div", {
    style: {
      "--class": colourOf(label),
      left: `${(100 * x1) / width}%`,
      top: `${(100 * y1) / height}%`,
      width: `${(100 * (x2 - x1)) / width}%`,
      height: `${(100 * (y2 - y1)) / height}%`,
    },
  });
  made.dataset.index = index;
  made.classList.toggle("low", (y1 * $("shot").clientHeight) / height < TAG_HEIGHT);
  made.classList.toggle("far", x1 > 0.85 * width);
  made.append(element("span", { textContent: `${classes[label]} ${score.toFixed(2)}` }));
  return made;
}
