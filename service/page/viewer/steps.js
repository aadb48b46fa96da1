// Steps through the detections of a view with keys, and names each for screen readers.

import { element } from "../elements.js";

const STEPS = { n: 1, p: -1 };

/** While the view has the focus, N and P go to the next and the previous detection, and Escape to none. */
export function listenToSteps(view, classesOf) {
  const voice = element("p", { className: "visually-hidden", role: "status" });
  view.element.after(voice);
  view.element.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const step = STEPS[event.key.toLowerCase()];
    const count = view.detections?.length ?? 0;
    if (step && count) {
      const index = view.hot === null ? (step > 0 ? 0 : count - 1) : (view.hot + step + count) % count;
      view.goTo(index);
      view.onHot(index);
      voice.textContent = wordsOf(view.detections[index], index, count, classesOf());
    } else if (event.key === "Escape" && view.hot !== null) {
      view.hot = null;
      view.onHot(null);
      voice.textContent = "No detection is marked.";
    } else return;
    event.stopPropagation();
    event.preventDefault();
  });
}

/** For example “3 of 17: RBC, 92 %, at 120, 40, 61 × 58 pixels”. */
function wordsOf({ label, score, sign, box: [x1, y1, x2, y2] }, index, count, classes) {
  const certainty = score == null ? "" : ` ${Math.round(100 * score)} %,`;
  const [left, top, width, height] = [x1, y1, x2 - x1, y2 - y1].map(Math.round);
  const name = sign ? `${sign} ${classes[label]}` : classes[label];
  return `${index + 1} of ${count}: ${name},${certainty} at ${left}, ${top}, ${width} × ${height} pixels`;
}
