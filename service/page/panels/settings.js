// The panel of settings: a model's own values, the numbers beside the sliders, and which sliders the method uses.

import { lowestThreshold, settings } from "../detections/settings.js";
import { $, setTextOf } from "../elements.js";

export function mountSettings(page) {
  listenToSettings($("settings"), page, () => page.models.chosen);
  page.onModel((model) => resetSettings($("settings"), model));
  page.addPart(() => drawSettings($("settings")));
}

/** React to a form of settings for the model that `modelOf()` gives, if there is one. */
export function listenToSettings(form, page, modelOf) {
  form.addEventListener("input", () => page.request());
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", (event) => {
    event.preventDefault();
    if (modelOf()) resetSettings(form, modelOf());
    page.request();
  });
}

/** Set a form to the model's own settings. */
export function resetSettings({ elements }, model) {
  const { nms } = model;
  elements.method.value = nms.method;
  elements.threshold.min = lowestThreshold(model);
  elements.limit.max = Math.max(300, nms.max_detections);
  elements.threshold.value = nms.score_threshold;
  elements.sigma.value = nms.sigma;
  elements.iou.value = nms.iou_threshold;
  elements.limit.value = elements.limit.defaultValue = nms.max_detections;
}

export function drawSettings(form) {
  const { method, sigma, iouThreshold, scoreThreshold, maxDetections } = settings(form);
  const [threshold, decay, iou] = [scoreThreshold, sigma, iouThreshold].map((value) => value.toFixed(2));
  const texts = { threshold, sigma: decay, iou, limit: maxDetections };
  const isUsed = { sigma: method === "gaussian", iou: method === "linear" || method === "hard" };
  for (const [name, text] of Object.entries(texts)) {
    const slider = form.elements[name];
    slider.disabled = !(isUsed[name] ?? true);
    const field = slider.closest(".field");
    setTextOf(field.querySelector("output"), String(text));
    field.classList.toggle("off", slider.disabled);
  }
}
