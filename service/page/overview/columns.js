// The columns of the table of all pictures.

import { swatch } from "../colours.js";
import { WORDS } from "./strip.js";

/**
 * The class names, the Map of label -> count in all pictures, and summaryOf(picture) ->
 * [{key, title, swatch, first, valueOf(picture), textOf(picture), total, isMore}]: `swatch` is an element or null,
 * `first` the direction of the first sort, the value a number, a text or null, and `total` the text of the last row; a
 * phone has no room for what `isMore`.
 */
export function columnsOf(classes, counts, summaryOf) {
  const from = (pick) => (picture) => (summaryOf(picture) ? pick(summaryOf(picture)) : null);
  const found = from(({ count }) => count);
  const all = [...counts.values()].reduce((a, b) => a + b, 0);
  const ofClasses = [...counts.keys()]
    .sort((a, b) => a - b)
    .map((label) => {
      const column = numbers(classes[label], from((summary) => summary.counts.get(label) ?? 0));
      return { ...column, key: `class ${label}`, swatch: swatch(label), total: String(counts.get(label)) };
    });
  return [
    texts("Name", ({ file }) => file.name, { total: "All" }),
    { ...numbers("Size", pixelsOf, sizeOf), isMore: true },
    { ...numbers("Found", found, (count, picture) => String(count ?? stateOf(picture))), total: String(all) },
    ...ofClasses,
    { ...numbers("Lowest", from(({ lowest }) => lowest), scoreOf), first: "ascending" },
    { ...numbers("Highest", from(({ highest }) => highest), scoreOf), isMore: true },
    { ...numbers("Time", millisecondsOf, timeOf), isMore: true },
    texts("State", stateOf, { isMore: true }),
  ];
}

const PLAIN = { swatch: null, total: "", isMore: false };

function texts(title, textOf, options) {
  return { ...PLAIN, key: title, title, first: "ascending", valueOf: textOf, textOf, ...options };
}

/** A column of numbers; `write(value, picture)` makes their texts. */
function numbers(title, valueOf, write = (value) => String(value ?? "–")) {
  const textOf = (picture) => write(valueOf(picture), picture);
  return { ...PLAIN, key: title, title, first: "descending", valueOf, textOf };
}

const stateOf = ({ state }) => WORDS[state];
const pixelsOf = ({ answer }) => (answer ? answer.width * answer.height : null);
const sizeOf = (_, { answer }) => (answer ? `${answer.width} × ${answer.height}` : "–");
const scoreOf = (score) => score?.toFixed(2) ?? "–";
const timeOf = (milliseconds) => (milliseconds === null ? "–" : `${milliseconds.toFixed(0)} ms`);

function millisecondsOf({ answer }) {
  return answer ? answer.stages.reduce((sum, { milliseconds }) => sum + milliseconds, 0) : null;
}
