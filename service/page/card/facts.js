// The facts on a model's card, as pairs of a name and a text.

import { engineOf, measuresOf } from "./summary.js";

const RESIZES = {
  stretch: "stretched to it",
  letterbox: "fitted into its top left, grey beside it",
  "centred-letterbox": "fitted into its middle, grey around it",
};

/** The facts that everybody wants, [[name, text], ...]; those that are not known are left out. */
export function mainFacts(model) {
  const { card, source } = model;
  return known([
    ["Trained on", card?.trained_on ?? dataSetOf(source)],
    ["Measured", measuresOf(model).join(", ")],
    ["Licence", card?.licence],
    ["Runs on", engineOf(model)],
  ]);
}

/** The facts for who runs or calls the model. */
export function furtherFacts(model) {
  const { name, version, aliases, share, input, nms, source, max_batch: batch, engine_note: note, int8 } = model;
  return known([
    ["Name, version", `${name}, ${version}`],
    ["Other names", aliases.join(", ")],
    ["Share of requests", share < 1 ? `${(100 * share).toFixed(0)} % of those that name no version` : ""],
    ["Input", `${input.width} × ${input.height} pixels; pictures are ${RESIZES[input.resize] ?? input.resize}`],
    ["Largest batch", `${batch} ${batch === 1 ? "image" : "images"}`],
    ["Settings", settingsOf(nms)],
    ["In int8", int8 && lossOf(int8)],
    ["Engine", note],
    ["Weights", `${source.preset}, checkpoint ${source.checkpoint_sha256.slice(0, 12)}`],
  ]);
}

function known(facts) {
  return facts.filter(([, text]) => text);
}

function dataSetOf({ data_set: name }) {
  return name === "none" || name === "unknown" ? "" : name;
}

function settingsOf({ method, sigma, iou_threshold: iou, score_threshold: score, max_detections: most }) {
  const overlap = method === "gaussian" ? `sigma ${sigma}` : `IoU threshold ${iou}`;
  return `${method} NMS, ${overlap}; score threshold ${score}; at most ${most} detections`;
}

function lossOf({ loss, max_loss: most, num_images: count, data_set: place }) {
  const change = loss > 0 ? `loses ${loss} points` : loss < 0 ? `gains ${-loss} points` : "loses nothing";
  return `${change} of AP50:95 on ${count} images of ${place}; at most ${most} may be lost`;
}
