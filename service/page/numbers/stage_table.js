// The stages of requests: two bars, of the medians and of the 95th percentiles, and a table with the values.

import { element } from "../elements.js";
import { STAGES, milliseconds } from "./words.js";

const METRIC = "singleshot_stage_duration_seconds";

/** The bars and the table for an interval. */
export function stagesOf(interval) {
  const known = Object.entries(STAGES).map(([stage, [name, colour]]) => {
    const [p50, p95] = [0.5, 0.95].map((share) => interval.quantile(METRIC, share, (labels) => labels.stage === stage));
    return { name, colour, p50, p95 };
  });
  const rows = known.filter(({ p50 }) => p50 !== null);
  if (!rows.length) return [element("p", { className: "quiet" }, "No image in the last minute.")];
  const longest = Math.max(...["p50", "p95"].map((which) => rows.reduce((sum, row) => sum + row[which], 0)));
  return [barOf(rows, "p50", longest), barOf(rows, "p95", longest), tableOf(rows)];
}

function barOf(rows, which, longest) {
  const total = rows.reduce((sum, row) => sum + row[which], 0);
  const segments = rows.map((row) => {
    const grow = (100 * row[which]) / total; // below 1 in sum, they would not fill the bar
    return element("i", { style: { "--stage": row.colour, "flex-grow": grow } });
  });
  const bar = element("div", { className: "stage-bar", style: { width: `${(100 * total) / longest}%` } }, ...segments);
  bar.setAttribute("aria-hidden", "true"); // the table has the values
  return bar;
}

function tableOf(rows) {
  const heads = ["Stage", "p50", "p95"].map((text) => element("th", { scope: "col", textContent: text }));
  const lines = rows.map(({ name, colour, p50, p95 }) => {
    const mark = element("i", { className: "swatch", style: { "--class": colour } });
    const cells = [p50, p95].map((seconds) => element("td", {}, milliseconds(seconds)));
    return element("tr", {}, element("td", {}, mark, name), ...cells);
  });
  const body = element("tbody", {}, ...lines);
  return element("table", {}, element("thead", {}, element("tr", {}, ...heads)), body);
}
