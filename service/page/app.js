// The page's wiring: which event makes which part do what.

import { offerCamera } from "./camera.js";
import { detect, hasKey } from "./client.js";
import { copyCurl } from "./curl.js";
import { Drawing } from "./drawing.js";
import { showExamples } from "./examples.js";
import { askForKey, offerKeyForm } from "./key_form.js";
import { Models } from "./models.js";
import { Pictures } from "./pictures.js";
import { lowestThreshold, resetSettings } from "./settings.js";
import { $, mark, showClasses, showModel, showModels, showNoModel } from "./view.js";

const models = new Models(
  () => {
    showModels(models.texts());
    if (models.list.length) chooseModel(0);
  },
  (problem) => (problem.status === 401 ? askForKey() : showNoModel(problem)),
);
const pictures = new Pictures(
  async (file, signal) => {
    const model = await models.whenChosen(); // pictures may come before the list of models or the key that it needs
    return detect(file, { ...models.named(), score_threshold: lowestThreshold(model) }, signal);
  },
  (picture) => {
    if (picture.problem?.status === 401) askForKey();
    drawing.request();
  },
);
const drawing = new Drawing(pictures, models);

function loadModels() {
  $("models-link").hidden = hasKey(); // a link cannot send the key
  models.load();
}

function chooseModel(index) {
  models.choose(index);
  const model = models.chosen;
  showModel(model);
  resetSettings(model);
  showClasses(model.classes);
  showExamples(model, (file) => add([file]));
  pictures.resend();
  drawing.request();
}

function add(files) {
  pictures.add(files);
  drawing.request();
}

function clearAll() {
  pictures.clear();
  drawing.drawNow(); // now, because a hidden button takes no focus
  document.querySelector("#welcome button").focus();
}

function listen() {
  const on = (id, kind, react) => $(id).addEventListener(kind, react);
  const draw = () => drawing.request();
  on("settings", "input", draw);
  on("settings", "submit", (event) => event.preventDefault());
  on("settings", "reset", (event) => {
    event.preventDefault();
    if (models.chosen) resetSettings(models.chosen);
    draw();
  });
  on("classes", "change", draw);
  on("show-labels", "change", draw);
  on("model", "change", () => chooseModel(Number($("model").value)));
  on("zoom-in", "click", () => drawing.zoomBy(1));
  on("zoom-out", "click", () => drawing.zoomBy(-1));
  on("picture", "load", draw);
  on("picture", "error", draw);
  on("copy", "click", copyCurl);
  on("clear", "click", clearAll);
  on("retry", "click", () => {
    pictures.resend([pictures.selected]);
    draw();
  });
  on("thumbs", "click", (event) => {
    pictures.select(event.target.closest("button")?.dataset.picture);
    draw();
  });
  for (const id of ["boxes", "rows"]) {
    on(id, "pointerover", (event) => mark(event.target.closest("[data-index]")?.dataset.index ?? null));
    on(id, "pointerleave", () => mark(null));
  }
  offerKeyForm(() => {
    if (models.chosen) pictures.resend(pictures.list.filter(({ problem }) => problem));
    else loadModels();
    draw();
  });
  addEventListener("resize", draw);
}

/** Accept pictures that the visitor chooses, drops, pastes or takes. */
function acceptPictures() {
  for (const button of document.querySelectorAll(".choose")) button.addEventListener("click", () => $("file").click());
  $("file").addEventListener("change", () => {
    add($("file").files);
    $("file").value = "";
  });
  for (const kind of ["dragover", "dragleave", "drop"]) {
    document.addEventListener(kind, (event) => {
      event.preventDefault();
      document.body.classList.toggle("over", kind === "dragover");
      if (kind === "drop") add(event.dataTransfer.files);
    });
  }
  document.addEventListener("paste", (event) => add(event.clipboardData.files));
  offerCamera(document.querySelectorAll(".camera"), (file) => add([file]));
}

listen();
acceptPictures();
loadModels();
