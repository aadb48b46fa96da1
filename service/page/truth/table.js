// The table of hits, misses and false alarms, for each class and in total.

import { swatch } from "../colours.js";
import { element } from "../elements.js";
import { rates, summed } from "./verdicts.js";

/**
 * Fill `body` with a row for each class of `counts`, as countsByLabel() gives it; with `note` if there is one. `others`
 * are the counts of the right side of a comparison, of which only the total is shown.
 */
export function showCounts(body, counts, classes, { note, others }) {
  const labels = [...counts.keys()].sort((a, b) => a - b);
  const rows = labels.map((label) => rowOf([swatch(label), classes[label]], counts.get(label)));
  if (labels.length !== 1 || others) rows.push(totalOf(others ? "Left, total" : "Total", counts));
  if (others) rows.push(totalOf("Right, total", others));
  const empty = element("tr", {}, element("td", { colSpan: 7, textContent: note }));
  body.replaceChildren(...(note ? [empty] : rows));
}

function totalOf(name, counts) {
  const row = rowOf([name], summed([...counts.values()]));
  row.className = "total";
  return row;
}

function rowOf(name, count) {
  const { precision, recall, f1 } = rates(count);
  const numbers = [count.hits, count.misses, count.falseAlarms].map(String);
  const shares = [precision, recall, f1].map((share) => share?.toFixed(2) ?? "–");
  const cells = [...numbers, ...shares].map((textContent) => element("td", { textContent }));
  return element("tr", {}, element("th", { scope: "row" }, ...name), ...cells);
}
