// The values of a form of settings, and their difference from the model's own as a query of /detect.

import { $ } from "../elements.js";
import { query } from "../server/client.js";

const LOWEST_THRESHOLD = 0.05; // candidates below it are not requested, because no setting shows them

export function settings({ elements } = $("settings")) {
  return {
    method: elements.method.value,
    sigma: Number(elements.sigma.value),
    iouThreshold: Number(elements.iou.value),
    scoreThreshold: Number(elements.threshold.value),
    maxDetections: Number(elements.limit.value),
    isLimitPerView: elements.limit.value === elements.limit.defaultValue, // the model's own, as the server takes it
  };
}

/** The wanted tiles as /detect takes them: null, "auto" or a number of pixels. */
export function wantedTile() {
  return $("tile").value || null;
}

export function wantedLabels() {
  return new Set([...$("classes").querySelectorAll("input:checked")].map(({ value }) => Number(value)));
}

export function lowestThreshold({ nms }) {
  return Math.min(LOWEST_THRESHOLD, nms.score_threshold);
}

/** The settings as parameters of /detect; null are those that the method does not use. */
export function detectParameters({ classes }) {
  const { method, sigma, iouThreshold, scoreThreshold, maxDetections, isLimitPerView } = settings();
  const [wanted, tile] = [wantedLabels(), wantedTile()];
  const isServersLimit = tile !== null && isLimitPerView; // the server allows more in many tiles, unless it is given
  return {
    score_threshold: scoreThreshold,
    nms: method,
    sigma: method === "gaussian" ? sigma : null,
    iou_threshold: method === "linear" || method === "hard" ? iouThreshold : null,
    max_detections: isServersLimit ? null : maxDetections,
    tile: tile === null || tile === "auto" ? tile : Number(tile),
    classes: classes.filter((_, label) => wanted.has(label)),
  };
}

/** The same without those that equal the model's own. */
export function differingParameters(model) {
  const own = { ...model.nms, nms: model.nms.method, classes: model.classes };
  const differs = ([name, value]) => value !== null && String(value) !== String(own[name]);
  return Object.fromEntries(Object.entries(detectParameters(model)).filter(differs));
}

/** The settings as a query of /detect; a setting that equals the model's own is left out. */
export function detectQuery(model, named) {
  return query({ ...named, ...differingParameters(model) });
}
