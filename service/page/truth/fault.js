// A file of ground truth that cannot be used.

/** One sentence that names the file and what is wrong with it. */
export class Fault extends Error {
  constructor(fileName, text) {
    super(`${fileName}: ${text}.`);
    this.fileName = fileName;
  }
}

/** A flag such as "1", "true" or null (not set); throws Fault if it is another text or number. */
export function flagOf(value, name, fileName, place) {
  const text = String(value ?? "").trim().toLowerCase();
  if (["1", "1.0", "true", "yes"].includes(text)) return true;
  if (["", "0", "0.0", "false", "no"].includes(text)) return false;
  throw new Fault(fileName, `${place}: ${name} is “${text.slice(0, 20)}”, and must be 0 or 1`);
}

/** The box xyxy around points [x, y, x, y, ...]. */
export function boxAround(points) {
  const xs = points.filter((_, index) => index % 2 === 0);
  const ys = points.filter((_, index) => index % 2 === 1);
  const smallest = (values) => values.reduce((a, b) => Math.min(a, b));
  const largest = (values) => values.reduce((a, b) => Math.max(a, b));
  return [smallest(xs), smallest(ys), largest(xs), largest(ys)];
}
