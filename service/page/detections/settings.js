// The values of the settings form, and their difference from the model's own as a query of /detect.

import { $ } from "../elements.js";
import { query } from "../server/client.js";

const LOWEST_THRESHOLD = 0.05; // candidates below it are not requested, because no setting shows them

export function settings() {
  return {
    method: $("settings").elements.method.value,
    sigma: Number($("sigma").value),
    iouThreshold: Number($("iou").value),
    scoreThreshold: Number($("threshold").value),
    maxDetections: Number($("limit").value),
    isLimitPerView: $("limit").value === $("limit").defaultValue, // the model's own limit, as the server takes it
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

/** The settings as a query of /detect; a setting that equals the model's own is left out. */
export function detectQuery({ nms, classes }, named) {
  const { method, sigma, iouThreshold, scoreThreshold, maxDetections } = settings();
  const wanted = wantedLabels();
  const differing = (value, own) => (value === own ? null : value);
  return query({
    ...named,
    score_threshold: differing(scoreThreshold, nms.score_threshold),
    nms: differing(method, nms.method),
    sigma: method === "gaussian" ? differing(sigma, nms.sigma) : null,
    iou_threshold: method === "linear" || method === "hard" ? differing(iouThreshold, nms.iou_threshold) : null,
    max_detections: differing(maxDetections, nms.max_detections),
    tile: wantedTile(),
    classes: wanted.size < classes.length ? classes.filter((_, label) => wanted.has(label)) : null,
  });
}
