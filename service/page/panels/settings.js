// The panel of settings: a model's own values, the numbers beside the sliders, and which sliders the method uses.

import { lowestThreshold, settings } from "../detections/settings.js";
import { $, on } from "../elements.js";

export function mountSettings(page) {
  on("settings", "input", () => page.request());
  on("settings", "submit", (event) => event.preventDefault());
  on("settings", "reset", (event) => {
    event.preventDefault();
    if (page.models.chosen) reset(page.models.chosen);
    page.request();
  });
  page.onModel(reset);
  page.addPart(draw);
}

function reset(model) {
  const { nms } = model;
  $("settings").elements.method.value = nms.method;
  $("threshold").min = lowestThreshold(model);
  $("limit").max = Math.max(300, nms.max_detections);
  $("threshold").value = nms.score_threshold;
  $("sigma").value = nms.sigma;
  $("iou").value = nms.iou_threshold;
  $("limit").value = $("limit").defaultValue = nms.max_detections;
}

function draw() {
  const { method, sigma, iouThreshold, scoreThreshold, maxDetections } = settings();
  const [threshold, decay, iou] = [scoreThreshold, sigma, iouThreshold].map((value) => value.toFixed(2));
  const texts = { threshold, sigma: decay, iou, limit: maxDetections };
  for (const [id, text] of Object.entries(texts)) document.querySelector(`output[for="${id}"]`).textContent = text;
  $("sigma").disabled = method !== "gaussian";
  $("iou").disabled = method === "gaussian" || method === "none";
  $("sigma-field").classList.toggle("off", $("sigma").disabled);
  $("iou-field").classList.toggle("off", $("iou").disabled);
}
