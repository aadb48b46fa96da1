// The form of settings: what it says, what a model asks for, and the same in the words of /detect.

import { query } from "./client.js";
import { $ } from "./view.js";

const LOWEST_THRESHOLD = 0.05; // what lies below is not asked for: no setting of the page shows it

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

/** The numbers beside the sliders, and which of them the method has a use for. */
export function showSettings() {
  const { method, sigma, iouThreshold, scoreThreshold, maxDetections } = settings();
  const texts = { threshold: scoreThreshold.toFixed(2), sigma: sigma.toFixed(2), iou: iouThreshold.toFixed(2), limit: maxDetections };
  for (const [id, text] of Object.entries(texts)) document.querySelector(`output[for="${id}"]`).textContent = text;
  $("sigma").disabled = method !== "gaussian";
  $("iou").disabled = method === "gaussian" || method === "none";
  $("sigma-field").classList.toggle("off", $("sigma").disabled);
  $("iou-field").classList.toggle("off", $("iou").disabled);
}

/** What the settings are in the words of /detect; what is as the model has it is left out. */
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
