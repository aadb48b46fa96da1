// The colours of the classes.

import { element } from "./elements.js";

// Okabe and Ito's colours, which colour-blind people can tell apart, in the order that format=image uses
const COLOURS = ["#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7"];

export const colourOf = (label) => COLOURS[label % COLOURS.length];

/** A small square in the colour of a class. */
export function swatch(label) {
  return element("i", { className: "swatch", style: { "--class": colourOf(label) } });
}
