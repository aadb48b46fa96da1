// How a box of a class looks, as the style sheet says it.

import { colourOf } from "../colours.js";
import { element } from "../elements.js";

/** The styles of boxes, read from a hidden element, so that style sheets can restyle what a canvas draws. */
export class BoxStyles {
  #probe = element("i", { ariaHidden: "true" });
  #known = new Map();

  constructor(parent) {
    parent.append(this.#probe);
  }

  /** Read the style sheet again, because it may depend on what has changed. */
  forget() {
    this.#known.clear();
  }

  /** {colour, ink (of the label's text), line (CSS pixels), dash} of a class index and more classes of the style. */
  of(label, className) {
    const key = `${label} ${className}`;
    if (!this.#known.has(key)) this.#known.set(key, this.#read(label, className));
    return this.#known.get(key);
  }

  #read(label, className) {
    this.#probe.className = `box ${className}`;
    this.#probe.style.setProperty("--class", colourOf(label));
    const { borderTopColor: colour, borderTopStyle, borderTopWidth } = getComputedStyle(this.#probe);
    const dashes = { dashed: [7, 5], dotted: [2, 3] };
    return { colour, ink: inkOn(colour), line: parseFloat(borderTopWidth), dash: dashes[borderTopStyle] ?? [] };
  }
}

/** Black or white, whichever is easier to read on a colour rgb(…). */
function inkOn(colour) {
  const [red, green, blue] = colour.match(/[\d.]+/g).map((part) => {
    const share = Number(part) / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.179 ? "#000" : "#fff"; // equal contrast, WCAG 2
}
