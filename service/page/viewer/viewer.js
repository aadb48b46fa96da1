// The selected picture with its boxes, and what moves them.

import { $, on, setText } from "../elements.js";
import { markOnHover, onMark, mark } from "./mark.js";
import { PictureView } from "./picture_view.js";
import { listenToSteps } from "./steps.js";

const MAX_HINTS = 3; // in one visit

export function mountViewer(page) {
  const view = new PictureView($("figure"));
  page.view = view;
  listenToSteps(view, () => page.models.chosen.classes);
  connectButtons(view);
  hintAtWheel(view);
  view.onLoad = () => page.request();
  on("show-labels", "change", () => page.request());
  linkToTable(view);
  page.addPart(({ pictures: { selected }, models: { chosen } }) => {
    $("work").hidden = !selected;
    if (!selected) return view.clear();
    $("figure").hidden = selected.state === "failed" && !view.isShown && view.picture === selected;
    const detections = page.detectionsOf(selected) ?? [];
    view.withLabels = $("show-labels").checked;
    view.decorate = (found) => page.decorate(found);
    view.show(selected, page.boxesOf(selected), chosen.classes);
    $("figure").classList.toggle("busy", !selected.answer && selected.state !== "failed");
    setText("status", statusOf(selected, detections.length, page.pictures.queue.pause));
  });
}

function connectButtons(view) {
  on("zoom-in", "click", () => view.zoomBy(1));
  on("zoom-out", "click", () => view.zoomBy(-1));
  on("zoom-fit", "click", () => view.zoomToFit());
  on("zoom-real", "click", () => view.zoomTo(1));
  view.onDraw = ({ scale }, { isFit }) => {
    setText("zoom-shown", `${Math.round(100 * scale)} %`);
    $("zoom-fit").ariaPressed = String(isFit);
  };
}

/** Say how to zoom if the visitor turns the wheel over the picture, but not each time. */
function hintAtWheel(view) {
  let [count, timer] = [0, null];
  view.onScroll = () => {
    if ($("wheel-hint").hidden && ++count > MAX_HINTS) return;
    $("wheel-hint").hidden = false;
    clearTimeout(timer);
    timer = setTimeout(() => ($("wheel-hint").hidden = true), 1500);
  };
}

/** A detection is marked in the picture and in the table at once, and a row of the table leads to its box. */
function linkToTable(view) {
  markOnHover("rows");
  onMark((index) => (view.hot = index));
  view.onHot = mark;
  on("rows", "click", ({ target }) => {
    const index = target.closest("[data-index]")?.dataset.index;
    if (index === undefined) return;
    view.element.scrollIntoView({ block: "nearest" });
    view.goTo(Number(index));
  });
}

function statusOf({ file, answer, problem }, count, pause) {
  const wait = pause ? `Waiting for ${pause.kind === "key" ? "a key" : "the server"}…` : "Detecting…";
  if (!answer) return problem ? "" : wait;
  return `${count} ${count === 1 ? "detection" : "detections"} in ${file.name}, ${answer.width} × ${answer.height}`;
}
