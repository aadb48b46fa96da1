// The points of the charts as a table, for those who cannot see the charts or want the values.

import { element } from "../elements.js";
import { milliseconds, short } from "./words.js";

const STEP_SECONDS = 10;
const HEADS = ["Ago", "Per s", "p50", "p95", "Queue", "Batch", "Busy"];

/** A table with a row for each ten seconds, the newest first. */
export function pointTable(points) {
  const now = points.at(-1)?.seconds ?? 0;
  let next = 0;
  const rows = [];
  for (const point of points.toReversed()) {
    const ago = now - point.seconds;
    if (ago < next) continue;
    next = ago + STEP_SECONDS - 1;
    rows.push(rowOf(ago, point));
  }
  const heads = HEADS.map((text) => element("th", { scope: "col", textContent: text }));
  return element("table", {}, element("thead", {}, element("tr", {}, ...heads)), element("tbody", {}, ...rows));
}

function rowOf(ago, { rates, p50, p95, depth, batch, busy }) {
  const rate = Object.values(rates).reduce((sum, value) => sum + value, 0);
  const texts = [`${ago.toFixed(0)} s`, short(rate), milliseconds(p50), milliseconds(p95), depth ?? "–"];
  texts.push(batch === null ? "–" : batch.toFixed(1), `${Math.round(100 * busy)} %`);
  return element("tr", {}, ...texts.map((text) => element("td", {}, String(text))));
}
