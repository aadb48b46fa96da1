// A small chart of the last minutes: lines, or areas one on the other.

const [WIDTH, HEIGHT] = [300, 60];
const GAP_SECONDS = 12; // without a point for longer, a line has a gap
const LEAST_SECONDS = 60; // that a chart is wide

export class Chart {
  #paths;
  #stacked;

  /** series [{name, colour}, ...]; `label` says to screen readers what is drawn. */
  constructor(label, series, { stacked = false } = {}) {
    this.#stacked = stacked;
    this.svg = shape("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img" });
    this.svg.setAttribute("class", "chart");
    this.svg.setAttribute("aria-label", label);
    this.#paths = series.map(({ colour }) => {
      const path = shape("path", { class: stacked ? "area" : "line" });
      path.style.setProperty("--series", colour);
      return path;
    });
    this.svg.append(...this.#paths);
  }

  /** Draw one or more points {seconds, values: a number or null for each series}, from 0 to at least `top`. */
  draw(points, top) {
    const now = points.at(-1).seconds;
    const span = Math.max(now - points[0].seconds, LEAST_SECONDS);
    const stacks = points.map(({ seconds, values }) => ({ seconds, ends: this.#stacked ? sums(values) : values }));
    const most = Math.max(top, ...stacks.flatMap(({ ends }) => ends.filter((end) => end !== null)));
    const x = (seconds) => (WIDTH * (1 - (now - seconds) / span)).toFixed(1);
    const y = (value) => (HEIGHT - 1 - ((HEIGHT - 2) * value) / most).toFixed(1);
    for (const [index, path] of this.#paths.entries()) {
      const line = runs(stacks, index).map((run) => {
        const upper = run.map(({ seconds, ends }) => `${x(seconds)},${y(ends[index])}`).join(" L");
        if (!this.#stacked) return `M${upper}`;
        const lower = run.map(({ seconds, ends }) => `${x(seconds)},${y(index ? ends[index - 1] : 0)}`);
        return `M${upper} L${lower.reverse().join(" L")} Z`;
      });
      path.setAttribute("d", line.join(" "));
    }
  }
}

function sums(values) {
  let sum = 0;
  return values.map((value) => (sum += value ?? 0));
}

/** The points in groups without gaps. */
function runs(points, index) {
  const groups = [];
  let last = null;
  for (const point of points) {
    if (point.ends[index] === null) last = null;
    else {
      if (!last || point.seconds - last.seconds > GAP_SECONDS) groups.push([]);
      groups.at(-1).push(point);
      last = point;
    }
  }
  return groups.filter((group) => group.length > 1);
}

function shape(name, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
  return made;
}
