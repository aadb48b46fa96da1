// A part of the view: a title, the number of now, and a chart with its legend or whatever else belongs to it.

import { element } from "../elements.js";

export class Tile {
  #value = element("p", { className: "value", hidden: true });
  #note = element("div", { className: "note" });

  /** `chart` may be null. */
  constructor(title, chart = null) {
    this.chart = chart;
    this.section = element("section", {}, element("h3", {}, title), this.#value);
    if (chart) this.section.append(chart.svg);
    this.section.append(this.#note);
  }

  /** The number of now, as a text. */
  say(text) {
    if (this.#value.textContent !== text) this.#value.textContent = text;
    this.#value.hidden = !text;
  }

  /** What stands below the number and the chart. */
  note(...children) {
    this.#note.replaceChildren(...children);
  }
}

/** The legend of a chart: entries [{name, colour, text}, ...]. */
export function legend(entries) {
  const items = entries.map(({ name, colour, text }) => {
    const mark = element("i", { className: "swatch", style: { "--class": colour } });
    return element("li", {}, mark, `${name} ${text}`);
  });
  return element("ul", { className: "legend" }, ...items);
}
