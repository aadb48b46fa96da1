// The tiles of the view, each with a function that draws it from the history.

import { element } from "../elements.js";
import { Chart } from "./chart.js";
import { isDetection, valueOf } from "./history.js";
import { stagesOf } from "./stage_table.js";
import { Tile, legend } from "./tile.js";
import { OUTCOMES, REASONS, milliseconds, short } from "./words.js";

const BLUE = "#0072b2"; // easy to see on the ground of both schemes
const LATENCIES = [
  { name: "p50", colour: BLUE },
  { name: "p95", colour: "#d55e00" },
];

/** [{tile, draw(history)}, ...] in their order. */
export function makeTiles() {
  return [requests(), latency(), stages(), queue(), batches(), busy(), refusals(), models()];
}

function requests() {
  const series = Object.values(OUTCOMES).map(([name, colour]) => ({ name, colour }));
  const chart = new Chart("Detect requests a second, by outcome", series, { stacked: true });
  const tile = new Tile("Detect requests", chart);
  const draw = ({ points }) => {
    const values = points.map(({ seconds, rates }) => ({
      seconds,
      values: Object.keys(OUTCOMES).map((outcome) => rates[outcome] ?? 0),
    }));
    tile.chart.draw(values, 1);
    const now = values.at(-1).values;
    tile.say(`${short(now.reduce((sum, rate) => sum + rate, 0))} a second`);
    const entries = series.map((entry, index) => ({ ...entry, text: short(now[index]), rate: now[index] }));
    tile.note(legend(entries.filter(({ rate }, index) => rate || !index)));
  };
  return { tile, draw };
}

function latency() {
  const tile = new Tile("Time of a detect request", new Chart("Time of a detect request: p50 and p95", LATENCIES));
  const draw = ({ points, summary }) => {
    tile.chart.draw(
      points.map(({ seconds, p50, p95 }) => ({ seconds, values: [p50, p95] })),
      0.001,
    );
    const { p50, p95 } = points.at(-1);
    tile.say(p50 === null ? "No request lately" : `p50 ${milliseconds(p50)}, p95 ${milliseconds(p95)}`);
    const quantile = (share) => summary.quantile("singleshot_request_duration_seconds", share, isDetection);
    const entries = LATENCIES.map((entry, index) => ({ ...entry, text: milliseconds(quantile([0.5, 0.95][index])) }));
    tile.note(element("p", { className: "quiet" }, "Last minute:"), legend(entries));
  };
  return { tile, draw };
}

function stages() {
  const tile = new Tile("Time by stage, last minute");
  return { tile, draw: ({ summary }) => tile.note(...stagesOf(summary)) };
}

function queue() {
  const tile = new Tile("Queue", new Chart("Images that wait for the engine", [{ colour: BLUE }]));
  const draw = ({ points, scrape }) => {
    tile.chart.draw(
      points.map(({ seconds, depth }) => ({ seconds, values: [depth] })),
      4,
    );
    const [depth, limit] = ["singleshot_queue_depth", "singleshot_queue_limit"].map((name) => valueOf(scrape, name));
    tile.say(depth === null ? "" : `${depth} of ${limit} images`);
  };
  return { tile, draw };
}

function batches() {
  const tile = new Tile("Batch", new Chart("Mean number of images in a batch", [{ colour: BLUE }]));
  const draw = ({ points }) => {
    tile.chart.draw(
      points.map(({ seconds, batch }) => ({ seconds, values: [batch] })),
      1,
    );
    const { batch } = points.at(-1);
    tile.say(batch === null ? "No batch lately" : `${batch.toFixed(1)} images on average`);
  };
  return { tile, draw };
}

function busy() {
  const tile = new Tile("Engine", new Chart("Share of the time in which the engine is busy", [{ colour: BLUE }]));
  const draw = ({ points }) => {
    tile.chart.draw(
      points.map(({ seconds, busy: share }) => ({ seconds, values: [share] })),
      1,
    );
    tile.say(`${Math.round(100 * points.at(-1).busy)} % busy`);
  };
  return { tile, draw };
}

function refusals() {
  const tile = new Tile("Refused, last minute");
  const draw = ({ summary }) => {
    const rises = [...summary.riseBy("singleshot_rejected_total", "reason")].filter(([, count]) => count);
    tile.say(String(rises.reduce((sum, [, count]) => sum + count, 0)));
    const items = rises.map(([reason, count]) => element("li", {}, `${count}: ${REASONS[reason] ?? reason}`));
    tile.note(element("ul", {}, ...items));
  };
  return { tile, draw };
}

function models() {
  const tile = new Tile("Models");
  const draw = ({ scrape }) => {
    const served = scrape.series.get("singleshot_model_info") ?? [];
    const items = served.map(({ labels: { model, version, engine, description } }) =>
      element("li", {}, `${model}, version ${version}: ${engine} ${description}`),
    );
    tile.note(element("ul", {}, ...items));
  };
  return { tile, draw };
}
