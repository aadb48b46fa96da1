// The panel of the model: the choice, what the chosen one finds and how well, and what runs it.

import { descriptionOf, engineOf, measuresOf } from "../card/summary.js";
import { $, element, on, sentence, setText } from "../elements.js";
import { onceLoaded } from "../part.js";
import { askForKey, offerKeyForm } from "./key_form.js";

export function mountModel(page) {
  const { models } = page;
  on("model", "change", () => page.chooseModel(Number($("model").value)));
  const loadCards = onceLoaded(async () => (await import("../card/card.js")).makeCards(page));
  for (const id of ["model-more", "models-open"]) on(id, "click", async () => (await loadCards())?.show());
  page.onModel(showModel);
  models.onList = () => {
    $("model").replaceChildren(...models.texts().map((text, index) => new Option(text, index)));
    if (models.list.length) page.chooseModel(0);
    else showNone();
  };
  models.onProblem = (problem) => {
    if (problem.status === 401) askForKey();
    setText("model-note", problem.status === 401 ? "Waiting for a key…" : `${problem.title}. ${sentence(problem.message)}`);
  };
  offerKeyForm(() => {
    if (models.chosen) page.pictures.queue.tryNow();
    else models.load();
    page.request();
  });
  models.load();
}

/** There is nothing to wait for: what needs a model goes. */
function showNone() {
  for (const part of document.querySelectorAll(".needs-model")) part.hidden = true;
  setText("model-note", "No model is loaded.");
}

/** From now on, all that needs a model is shown. */
function showModel(model) {
  document.querySelector("main").removeAttribute("aria-busy");
  for (const part of document.querySelectorAll(".needs-model")) part.hidden = false;
  setText("model-note", descriptionOf(model));
  const facts = [...measuresOf(model), engineOf(model), model.card?.licence ?? ""].filter(Boolean);
  $("model-facts").replaceChildren(...facts.map((fact) => element("li", {}, fact)));
}
