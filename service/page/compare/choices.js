// The right side's column of choices: a model and settings of its own, as the left side has them.

import { engineOf } from "../card/summary.js";
import { settings } from "../detections/settings.js";
import { $, element, on } from "../elements.js";
import { drawSettings, listenToSettings, resetSettings } from "../panels/settings.js";

const MODEL = `
  <section class="panel" id="right-panel">
    <h2>Right</h2>
    <label class="field"><span>Model</span><select id="right-model"></select></label>
    <p id="right-model-note" class="quiet"></p>
  </section>`;

/**
 * Add the column to the page -> its form of settings. `modelOf()` -> the right model; `choose(model)` is called when
 * the visitor has chosen another.
 */
export function addChoices(page, modelOf, choose) {
  const form = copyOf($("settings"), "right");
  $("settings").after(form);
  form.insertAdjacentHTML("beforebegin", MODEL);
  $("model").closest(".panel").prepend(element("h2", { id: "left-title", textContent: "Left" }));
  listenToSettings(form, page, modelOf);
  on("right-model", "change", () => choose(page.models.list[$("right-model").value]));
  return form;
}

/** Offer the models, and set the form to the settings of the chosen one; the left side's own if it is the same. */
export function showChoice(page, form, model) {
  const { texts, list, chosen } = page.models;
  $("right-model").replaceChildren(...texts.call(page.models).map((text, index) => new Option(text, index)));
  $("right-model").value = list.indexOf(model);
  resetSettings(form, model);
  if (model === chosen) copyValues(settings(), form);
}

export function drawChoices(form, model, isShared) {
  drawSettings(form);
  const shared = isShared ? " · same answers as left, only the settings differ" : "";
  $("right-model-note").textContent = `${distinctionOf(model)}${shared}`;
}

/** What tells a served model from others of its name: its version, and the engine with its precision. */
export function distinctionOf(model) {
  return `version ${model.version} · ${engineOf(model)}`;
}

function copyValues({ method, sigma, iouThreshold, scoreThreshold, maxDetections }, { elements }) {
  elements.method.value = method;
  const values = { sigma, iou: iouThreshold, threshold: scoreThreshold, limit: maxDetections };
  for (const [name, value] of Object.entries(values)) elements[name].value = value;
}

/** A copy of a form, whose ids start with `side`. */
function copyOf(form, side) {
  const copy = form.cloneNode(true);
  for (const node of [copy, ...copy.querySelectorAll("[id]")]) node.id = `${side}-${node.id}`;
  for (const output of copy.querySelectorAll("output")) output.setAttribute("for", `${side}-${output.htmlFor}`);
  copy.querySelector("select").closest(".field").parentElement.remove(); // tiles are those of both sides
  copy.classList.remove("needs-model", "foldable");
  copy.hidden = false;
  return copy;
}
