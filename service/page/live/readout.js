// The numbers of the live view: its speed, and the detections in the last frame by their classes.

import { swatch } from "../colours.js";
import { element } from "../elements.js";

export class Readout {
  constructor(numbers, counts) {
    Object.assign(this, { numbers, counts });
  }

  show(detections, classes, { perSecond, milliseconds }) {
    const number = `${detections.length} ${detections.length === 1 ? "detection" : "detections"}`;
    const speed = perSecond === null ? [] : [`${perSecond.toFixed(1)} frames/s`];
    this.numbers.textContent = [...speed, `${milliseconds.toFixed(0)} ms`, number].join(" · ");
    const counts = [...classes.keys()].map((label) => detections.filter((found) => found.label === label).length);
    const items = classes.map((name, label) => element("li", {}, swatch(label), `${name} ${counts[label]}`));
    this.counts.replaceChildren(...items.filter((_, label) => counts[label]));
  }

  clear() {
    this.numbers.textContent = "";
    this.counts.replaceChildren();
  }
}
