// The settings form: its values, a model's own values, and the difference as a query of /detect.

import { query } from "./client.js";
import { $ } from "./view.js";

const LOWEST_THRESHOLD = 0.05; // candidates below it are not requested, because no setting shows them

export function settings() {
  return {
    method: $("settings").elements.method.value,
    sigma: Number($("sigma").value),
    iouThreshold: Number($("iou").value),
    scoreThreshold: Number($("threshold").value),
    maxDetections: Number($("limit").value),
  };
}

export function wantedLabels() {
  return new Set([...$("classes").querySelectorAll("input:checked")].map(({ value }) => Number(value)));
}

export function lowestThreshold({ nms }) {
  return Math.min(LOWEST_THRESHOLD, nms.score_threshold);
}

export function resetSettings(model) {
  const { nms } = model;
  $("settings").elements.method.value = nms.method;
  $("threshold").min = lowestThreshold(model);
  $("limit").max = Math.max(300, nms.max_detections);
  $("threshold").value = nms.score_threshold;
  $("sigma").value = nms.sigma;
  $("iou").value = nms.iou_threshold;
  $("limit").value = nms.max_detections;
}

/** Show the numbers beside the sliders, and disable the sliders that the method does not use. */
export function showSettings() {
  const { method, sigma, iouThreshold, scoreThreshold, maxDetections } = settings();
  const [threshold, decay, iou] = [scoreThreshold, sigma, iouThreshold].map((value) => value.toFixed(2));
  const texts = { threshold, sigma: decay, iou, limit: maxDetections };
  for (const [id, text] of Object.entries(texts)) document.querySelector(`output[for="${id}"]`).textContent = text;
  $("sigma").disabled = method !== "gaussian";
  $("iou").disabled = method === "gaussian" || method === "none";
  $("sigma-field").classList.toggle("off", $("sigma").disabled);
  $("iou-field").classList.toggle("off", $("iou").disabled);
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
    classes: wanted.size < classes.length ? classes.filter((_, label) => wanted.has(label)) : null,
  });
}
