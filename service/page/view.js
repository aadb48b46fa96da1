// The parts of the page: pictures with their boxes, the table, the model, its classes, times of the stages, problems.

// Okabe and Ito's colours, which colour-blind people can tell apart, in the order that format=image uses
const COLOURS = ["#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7"];
const STAGES = {
  decode: ["Decode", "#56b4e9"],
  queue: ["Queue", "#f0e442"],
  infer: ["Infer", "#e69f00"],
  postprocess: ["Postprocess", "#cc79a7"],
  network: ["Network & rest", "#8b949e"],
};
const TAG_HEIGHT = 17;
const FINAL = new Set([400, 404, 413, 415, 422]); // the same request would fail again

export const $ = (id) => document.getElementById(id);
const colourOf = (label) => COLOURS[label % COLOURS.length];

/** An element with properties and children; `style` may set custom properties. */
export function element(name, { style = {}, ...properties } = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  for (const [property, value] of Object.entries(style)) made.style.setProperty(property, value);
  made.append(...children);
  return made;
}

function swatch(property, colour) {
  return element("i", { className: "swatch", style: { [property]: colour } });
}

/** Sets a text only if it differs: screen readers speak a live region each time that its text is set. */
export function setText(id, text) {
  if ($(id).textContent !== text) $(id).textContent = text;
}

export function say(text) {
  setText("status", text);
}

export function sentence(text) {
  const trimmed = text.trim();
  return trimmed ? `${trimmed[0].toUpperCase()}${trimmed.slice(1)}${/[.?!]$/.test(trimmed) ? "" : "."}` : "";
}

/** A thumbnail of each picture; one that is answered has the number that `count(picture)` returns. */
export function showThumbs(pictures, selected, count) {
  const items = pictures.map((picture, index) => {
    const badge = picture.answer ? String(count(picture)) : picture.state === "failed" ? "!" : "…";
    const name = `${picture.file.name}: ${picture.answer ? `${badge} detections` : picture.state}`;
    picture.thumb ??= element("img", { src: picture.url, alt: "", onerror: ({ target }) => (target.hidden = true) });
    const ariaCurrent = String(picture === selected);
    const button = element("button", { type: "button", title: name, ariaLabel: name, ariaCurrent });
    button.dataset.picture = index;
    button.append(picture.thumb);
    const className = picture.state === "failed" ? "count bad" : "count";
    return element("li", {}, button, element("span", { className, textContent: badge, ariaHidden: "true" }));
  });
  const focused = document.activeElement?.dataset.picture;
  $("thumbs").replaceChildren(...items);
  if (focused !== undefined) $("thumbs").querySelector(`[data-picture="${focused}"]`)?.focus();
}

/** The picture itself, without its boxes. */
export function showImage({ url, file, answer, state }, zoom) {
  const image = $("picture");
  if (image.dataset.url !== url) {
    image.dataset.url = image.src = url;
    image.alt = file.name;
  }
  $("figure").hidden = state === "failed" && !image.naturalWidth;
  const ratio = answer ? answer.width / answer.height : image.naturalWidth / image.naturalHeight || 4 / 3;
  $("shot").style.setProperty("--ratio", ratio);
  $("shot").style.setProperty("--zoom", zoom);
  $("shot").classList.toggle("busy", !answer && state !== "failed");
  setText("zoom-shown", zoom === 1 ? "fit" : `${zoom}×`);
}

/** What went wrong with a picture, and when it is sent again. */
export function showProblem({ problem, state, retryAt }) {
  $("problem").hidden = !problem;
  if (!problem) return;
  setText("problem-title", `${problem.title}.`);
  setText("problem-detail", sentence(problem.message));
  $("again").hidden = FINAL.has(problem.status);
  const seconds = Math.max(0, Math.ceil((retryAt - Date.now()) / 1000));
  setText("countdown", state === "paused" ? `Trying again in ${seconds} s` : "");
}

/** Show detections [{label, score, box xyxy in the picture's pixels}] in the picture, the table and the counts. */
export function showDetections(detections, classes, size) {
  $("boxes").classList.toggle("bare", !$("show-labels").checked);
  const boxes = detections.map((found, index) => boxOf(found, index, classes, size));
  $("boxes").replaceChildren(...boxes.reverse()); // the best on top
  $("rows").replaceChildren(...detections.map((found, index) => rowOf(found, index, classes)));
  $("found").hidden = false;
  countClasses(detections);
}

/** Show no detections, because there is no answer yet. */
export function clearDetections() {
  $("boxes").replaceChildren();
  $("found").hidden = true;
  countClasses(null);
  showTime(null);
}

/** A box whose place is in per cent of the picture, so that its lines are equally thin at each zoom. */
function boxOf({ label, score, box: [x1, y1, x2, y2] }, index, classes, { width, height }) {
  const made = element("div", {
    style: {
      "--class": colourOf(label),
      left: `${(100 * x1) / width}%`,
      top: `${(100 * y1) / height}%`,
      width: `${(100 * (x2 - x1)) / width}%`,
      height: `${(100 * (y2 - y1)) / height}%`,
    },
  });
  made.dataset.index = index;
  made.classList.toggle("low", (y1 * $("shot").clientHeight) / height < TAG_HEIGHT);
  made.classList.toggle("far", x1 > 0.85 * width);
  made.append(element("span", { textContent: `${classes[label]} ${score.toFixed(2)}` }));
  return made;
}

function rowOf({ label, score, box }, index, classes) {
  const row = element("tr", {}, element("td", {}, swatch("--class", colourOf(label)), classes[label]));
  row.dataset.index = index;
  row.append(element("td", { textContent: score.toFixed(3) }));
  row.append(...box.map((edge) => element("td", { textContent: edge.toFixed(1) })));
  return row;
}

/** Mark a detection in the picture and in the table; null marks none. */
export function mark(index) {
  for (const hot of document.querySelectorAll(".hot")) hot.classList.remove("hot");
  if (index === null) return;
  for (const node of document.querySelectorAll(`[data-index="${index}"]`)) node.classList.add("hot");
}

/** The choice of the models, by their texts. */
export function showModels(texts) {
  $("model").replaceChildren(...texts.map((text, index) => new Option(text, index)));
  if (!texts.length) setText("model-note", "No model is loaded.");
}

/** Why the server does not list its models. */
export function showNoModel({ title, message }) {
  setText("model-note", `${title}. ${sentence(message)}`);
}

/** What runs the chosen model and how good it is; from now on, all that needs a model is shown. */
export function showModel({ engine, engine_description, metrics }) {
  for (const part of document.querySelectorAll(".needs-model")) part.hidden = false;
  const measured = Object.entries(metrics).map(([name, value]) => `${name} ${value.toFixed(3)}`);
  setText("model-note", [`${engine} ${engine_description}`, ...measured].join(" · "));
}

/** The check boxes of a model's classes. */
export function showClasses(classes) {
  const items = classes.map((name, label) => {
    const box = element("input", { type: "checkbox", checked: true, value: label, name: "class" });
    return element("li", {}, element("label", {}, box, swatch("--class", colourOf(label)), name, element("output")));
  });
  $("classes").replaceChildren(...items);
}

function countClasses(detections) {
  for (const [label, output] of $("classes").querySelectorAll("output").entries()) {
    output.textContent = detections ? detections.filter((found) => found.label === label).length : "";
  }
}

/** How long each stage of an answer took: stages [{name, milliseconds}]; null hides the panel. */
export function showTime(stages) {
  $("time").hidden = !stages;
  if (!stages) return;
  const total = stages.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
  setText("time-total", `${total.toFixed(0)} ms`);
  const parts = stages.map(({ name, milliseconds }) => [...(STAGES[name] ?? [name, "#8b949e"]), milliseconds]);
  const segments = parts.map(([, colour, milliseconds]) =>
    element("i", { style: { "--stage": colour, "flex-grow": milliseconds } }),
  );
  const lines = parts.map(([name, colour, milliseconds]) => {
    const texts = [element("dt", {}, name), element("dd", {}, `${milliseconds.toFixed(1)} ms`)];
    return element("div", {}, swatch("--stage", colour), ...texts);
  });
  $("time-bar").replaceChildren(...segments);
  $("time-stages").replaceChildren(...lines);
}
