// The page: what happens when, and the one place that knows the models and which picture is shown.

import { offerCamera } from "./camera.js";
import { Problem, detect, examplesOf, hasKey, keepKey, listModels } from "./client.js";
import { Pictures } from "./pictures.js";
import { detectQuery, lowestThreshold, resetSettings, settings, showSettings, wantedLabels } from "./settings.js";
import { softNms } from "./soft_nms.js";
import {
  $, clearDetections, element, mark, say, sentence, setText, showClasses, showDetections, showImage, showProblem, showThumbs, showTime,
} from "./view.js";

const ZOOMS = [1, 1.5, 2, 3, 4];

let models = [];
let model = null;
let selected = null;
let zoom = 0;
let isDrawing = false;
let announceModel;
const hasModel = new Promise((resolve) => (announceModel = resolve));
const pictures = new Pictures(
  async (file, signal) => {
    await hasModel; // pictures may come before the list of models, or before the key that it needs
    return detect(file, { ...named(), score_threshold: lowestThreshold(model) }, signal);
  },
  (picture) => {
    if (picture.problem?.status === 401) askForKey();
    draw();
  },
);

/** Which model: its version only where two of that name are served. */
function named() {
  const isAmbiguous = models.filter(({ name }) => name === model.name).length > 1;
  return { model: model.name, version: isAmbiguous ? model.version : null };
}

/** What the server would answer: the candidates after NMS with the page's settings, clipped to the picture. */
function detectionsOf({ boxes, scores, labels, width, height }) {
  const wanted = wantedLabels();
  const chosen = [...labels.keys()].filter((index) => wanted.has(labels[index]));
  const pick = (values) => chosen.map((index) => values[index]);
  const candidates = { boxes: pick(boxes), scores: pick(scores), labels: pick(labels) };
  return softNms(candidates, settings()).map(({ index, score }) => {
    const [x1, y1, x2, y2] = candidates.boxes[index];
    const across = (x) => Math.min(Math.max(x, 0), width);
    const down = (y) => Math.min(Math.max(y, 0), height);
    return { label: candidates.labels[index], score, box: [across(x1), down(y1), across(x2), down(y2)] };
  });
}

/** Draw soon, once, however many events ask for it. */
function draw() {
  if (isDrawing) return;
  isDrawing = true;
  requestAnimationFrame(() => {
    isDrawing = false;
    if (model) drawNow();
  });
}

function drawNow() {
  showSettings();
  drawCurl();
  $("welcome").hidden = pictures.list.length > 0;
  $("work").hidden = $("strip").hidden = !selected;
  showThumbs(pictures.list, selected, ({ answer }) => detectionsOf(answer).length);
  if (selected) drawPicture(selected);
  else clearDetections();
}

function drawCurl() {
  const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
  const parameters = detectQuery(model, models.length > 1 ? named() : {});
  const address = new URL(`detect${parameters ? `?${parameters}` : ""}`, document.baseURI).href;
  const key = hasKey() ? ' -H "X-API-Key: $API_KEY"' : "";
  const name = selected?.file.name ?? "picture.jpg";
  setText("curl", `curl --data-binary @${/^[\w.-]+$/.test(name) ? name : quoted(name)}${key} ${quoted(address)}`);
}

function drawPicture(picture) {
  const { answer, problem } = picture;
  showImage(picture, ZOOMS[zoom]);
  $("zoom-out").disabled = zoom === 0;
  $("zoom-in").disabled = zoom === ZOOMS.length - 1;
  showProblem(picture);
  if (!answer) {
    clearDetections();
    say(problem ? "" : "Looking…");
    return;
  }
  const start = performance.now();
  const detections = detectionsOf(answer);
  const milliseconds = performance.now() - start;
  showDetections(detections, model.classes, answer);
  showTime(answer.stages);
  setText("rank-note", `${answer.scores.length} candidates ranked in this browser: ${milliseconds.toFixed(1)} ms`);
  const count = `${detections.length} ${detections.length === 1 ? "detection" : "detections"}`;
  say(`${count} in ${picture.file.name}, ${answer.width} × ${answer.height}`);
}

function add(files) {
  selected = pictures.add(files) ?? selected;
  draw();
}

function clearAll() {
  pictures.clear();
  selected = null;
  drawNow();
  document.querySelector("#welcome button").focus();
}

function askForKey() {
  if (!$("key-form").hidden) return;
  $("key-form").hidden = false;
  $("models-link").hidden = true; // a link cannot send the key
  setText("key-trouble", hasKey() ? "The server does not know that key." : "");
  $("key").focus();
}

async function useKey(event) {
  event.preventDefault();
  keepKey($("key").value.trim());
  $("key").value = "";
  $("key-form").hidden = true;
  if (model) pictures.resend(pictures.list.filter(({ problem }) => problem));
  else await loadModels();
  draw();
}

async function loadModels() {
  $("models-link").hidden = hasKey();
  try {
    models = await listModels();
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    if (error.status === 401) return askForKey();
    setText("model-note", `${error.title}. ${sentence(error.message)}`);
    setTimeout(loadModels, 1000 * Math.max(error.retrySeconds ?? 0, 3)); // it may be starting
    return;
  }
  const isAlone = (name) => models.filter((other) => other.name === name).length === 1;
  const texts = models.map(({ name, version }) => (isAlone(name) ? name : `${name}, version ${version}`));
  $("model").replaceChildren(...texts.map((text, index) => new Option(text, index)));
  if (models.length) chooseModel(0);
  else setText("model-note", "No model is loaded.");
}

function chooseModel(index) {
  model = models[index];
  for (const part of document.querySelectorAll(".needs-model")) part.hidden = false;
  const metrics = Object.entries(model.metrics).map(([name, value]) => `${name} ${value.toFixed(3)}`);
  setText("model-note", [`${model.engine} ${model.engine_description}`, ...metrics].join(" · "));
  resetSettings(model);
  showClasses(model.classes);
  showExamples();
  pictures.resend();
  announceModel();
  draw();
}

function showExamples() {
  const { examples, isCredited } = examplesOf(model);
  $("examples").hidden = false;
  $("credit").hidden = !isCredited;
  const buttons = examples.map(({ name, load }, index) => {
    const image = element("img", { alt: "" });
    const button = element("button", { type: "button", ariaLabel: `Example ${index + 1}` }, image);
    load().then(
      (blob) => {
        image.src = URL.createObjectURL(blob);
        button.addEventListener("click", () => add([new File([blob], name, { type: blob.type })]));
      },
      () => (button.hidden = true),
    );
    return element("li", {}, button);
  });
  $("example-list").replaceChildren(...buttons);
}

async function copyCurl() {
  const selection = getSelection();
  selection.selectAllChildren($("curl"));
  try {
    await navigator.clipboard.writeText($("curl").textContent);
  } catch {
    if (!document.execCommand("copy")) return; // the text stays selected, for a hand to copy
  }
  selection.removeAllRanges();
  $("copy").textContent = "Copied";
  setTimeout(() => ($("copy").textContent = "Copy"), 1500);
}

function setZoom(to) {
  zoom = to;
  draw();
}

function listen() {
  const on = (id, kind, react) => $(id).addEventListener(kind, react);
  on("settings", "input", draw);
  on("settings", "submit", (event) => event.preventDefault());
  on("settings", "reset", (event) => {
    event.preventDefault();
    if (model) resetSettings(model);
    draw();
  });
  on("classes", "change", draw);
  on("show-labels", "change", draw);
  on("model", "change", () => chooseModel(Number($("model").value)));
  on("zoom-in", "click", () => setZoom(zoom + 1));
  on("zoom-out", "click", () => setZoom(zoom - 1));
  on("picture", "load", draw);
  on("picture", "error", draw);
  on("copy", "click", copyCurl);
  on("clear", "click", clearAll);
  on("key-form", "submit", useKey);
  on("retry", "click", () => {
    pictures.resend([selected]);
    draw();
  });
  on("thumbs", "click", (event) => {
    selected = pictures.list[event.target.closest("button")?.dataset.picture] ?? selected;
    draw();
  });
  for (const id of ["boxes", "rows"]) {
    on(id, "pointerover", (event) => mark(event.target.closest("[data-index]")?.dataset.index ?? null));
    on(id, "pointerleave", () => mark(null));
  }
  addEventListener("resize", draw);
}

/** The ways in which pictures come: chosen, dropped, pasted, taken. */
function takeIn() {
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
takeIn();
loadModels();
