// The panel of the model: the choice, what runs the chosen one and how good it is.

import { $, on, sentence, setText } from "../elements.js";
import { hasKey } from "../server/client.js";
import { askForKey, offerKeyForm } from "./key_form.js";

export function mountModel(page) {
  const { models } = page;
  on("model", "change", () => page.chooseModel(Number($("model").value)));
  page.onModel(showModel);
  models.onList = () => {
    $("model").replaceChildren(...models.texts().map((text, index) => new Option(text, index)));
    if (models.list.length) page.chooseModel(0);
    else setText("model-note", "No model is loaded.");
  };
  models.onProblem = (problem) => {
    if (problem.status === 401) askForKey();
    else setText("model-note", `${problem.title}. ${sentence(problem.message)}`);
  };
  offerKeyForm(() => {
    if (models.chosen) page.pictures.resend(page.pictures.list.filter(({ problem }) => problem));
    else loadModels(models);
    page.request();
  });
  loadModels(models);
}

function loadModels(models) {
  $("models-link").hidden = hasKey(); // a link cannot send the key
  models.load();
}

/** From now on, all that needs a model is shown. */
function showModel({ engine, engine_description, metrics }) {
  for (const part of document.querySelectorAll(".needs-model")) part.hidden = false;
  const measured = Object.entries(metrics).map(([name, value]) => `${name} ${value.toFixed(3)}`);
  setText("model-note", [`${engine} ${engine_description}`, ...measured].join(" · "));
}
