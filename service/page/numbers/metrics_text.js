// Prometheus' text format, as GET /metrics answers it.

const NAME = /[A-Za-z_:][\w:]*/y;
const LABEL = /\s*([A-Za-z_]\w*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*,?/y;
const ESCAPES = { n: "\n", '"': '"', "\\": "\\" };
const INFINITIES = { "+Inf": Infinity, Inf: Infinity, "-Inf": -Infinity };

/** The text -> a Map of each sample's name to its series [{labels, value}, ...]; lines of another form are left out. */
export function parseMetrics(text) {
  const series = new Map();
  for (const line of text.split("\n")) {
    const sample = sampleOf(line.trim());
    if (!sample) continue;
    if (!series.has(sample.name)) series.set(sample.name, []);
    series.get(sample.name).push(sample);
  }
  return series;
}

function sampleOf(line) {
  NAME.lastIndex = 0;
  const name = NAME.exec(line)?.[0];
  if (!name) return null; // a comment or an empty line
  let place = name.length;
  const labels = {};
  if (line[place] === "{") {
    place += 1;
    for (let label; (label = matchAt(LABEL, line, place)); place = LABEL.lastIndex) {
      labels[label[1]] = unescaped(label[2]);
    }
    place = line.indexOf("}", place) + 1;
    if (!place) return null;
  }
  const [value] = line.slice(place).trim().split(/\s+/); // after it there may be a time or an example
  return value ? { name, labels, value: INFINITIES[value] ?? Number(value) } : null;
}

function matchAt(pattern, line, place) {
  pattern.lastIndex = place;
  return pattern.exec(line);
}

function unescaped(text) {
  return text.replace(/\\(.)/g, (_, sign) => ESCAPES[sign] ?? `\\${sign}`);
}
