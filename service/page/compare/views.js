// The pictures of both sides: side by side, or the right one over the left one with a divider.

import { $, element, on, sentence } from "../elements.js";
import { mark, onMark } from "../viewer/mark.js";
import { PictureView } from "../viewer/picture_view.js";
import { listenToSteps } from "../viewer/steps.js";
import { toFrame } from "../viewer/view.js";
import { distinctionOf } from "./choices.js";
import { Divider } from "./divider.js";

const GLIDE_MILLISECONDS = 400; // longer than a view takes to reach a box
const BAR = `
  <div id="compare-bar" class="row">
    <div class="segments two" role="radiogroup" aria-label="How the sides are shown">
      <label><input type="radio" name="compare-way" value="side"><span>Side by side</span></label>
      <label><input type="radio" name="compare-way" value="swipe"><span>Swipe</span></label>
    </div>
    <label class="switch" id="compare-truth-switch"><input type="checkbox" id="compare-truth"> Ground truth</label>
    <button type="button" id="end-comparison">End the comparison</button>
  </div>`;
const RIGHT = `
  <p id="left-name" class="side-name"></p>
  <p id="right-name" class="side-name"></p>
  <div id="right-figure" tabindex="0" role="application" aria-roledescription="picture" aria-label="The picture with the detections of the right side" aria-describedby="figure-keys"></div>
  <div id="divider"></div>`;

/**
 * The right side's view, which follows the page's own and leads it. `boxesOf(picture, list)` -> the boxes in it, those
 * of the detections first; `list` are the differences.
 */
export class Views {
  #list = [];
  #sought = null; // where goTo() leads: {view, box, until}
  #shown = null; // what the right view shows: the selected picture with the right side's answer

  constructor(page, comparison, boxesOf) {
    Object.assign(this, { page, comparison, boxesOf });
    this.place = $("figure").parentElement;
    this.place.insertAdjacentHTML("beforebegin", BAR);
    this.place.insertAdjacentHTML("beforeend", RIGHT);
    this.right = new PictureView($("right-figure"));
    this.right.decorate = page.decorate;
    listenToSteps(this.right, () => comparison.model.classes);
    this.divider = new Divider($("divider"), this.place);
    on("compare-bar", "change", ({ target }) => target.name === "compare-way" && this.#showWay(target.value));
    this.#showWay(matchMedia("(max-width: 56rem)").matches ? "swipe" : "side");
    this.#link();
  }

  set isOpen(isOpen) {
    if (this.place.classList.contains("compared") === isOpen && !$("divider").hidden === isOpen) return;
    for (const id of ["compare-bar", "left-name", "right-name", "right-figure", "divider"]) $(id).hidden = !isOpen;
    this.place.classList.toggle("compared", isOpen);
  }

  draw() {
    const { page, comparison } = this;
    const { selected } = page.pictures;
    if (!selected) return;
    if (this.#shown?.picture !== selected) {
      this.#shown = { picture: selected, url: selected.url, file: selected.file };
      this.#sought = null;
    }
    this.#shown.answer = comparison.counterparts.answerOf(selected);
    this.#list = comparison.differencesOf(selected) ?? [];
    Object.assign(this.right, { withLabels: page.view.withLabels, onScroll: page.view.onScroll });
    this.right.show(this.#shown, this.boxesOf(selected, this.#list), comparison.model.classes);
    const problem = comparison.counterparts.problemOf(selected);
    showName("left", page.models.chosen, selected.answer, selected.problem);
    showName("right", comparison.model, this.#shown.answer, problem);
    $("right-figure").classList.toggle("busy", !this.#shown.answer && !problem);
    $("right-figure").hidden = $("figure").hidden && !this.#shown.answer; // there is nothing to see
  }

  /** Show a difference in both views. */
  goTo({ left, right }) {
    if (left === null) this.right.goTo(right);
    else this.page.view.goTo(left);
    mark(left);
    this.right.hot = right;
    this.place.scrollIntoView({ block: "nearest" });
    const [view, index] = left === null ? [this.right, right] : [this.page.view, left];
    this.#sought = { view, box: view.detections[index].box, until: performance.now() + GLIDE_MILLISECONDS };
    this.#reveal();
  }

  /** Move the divider off the box that goTo() leads to, while the views are on their way. */
  #reveal() {
    if (!this.#sought || performance.now() > this.#sought.until) return;
    const { view, box } = this.#sought;
    const [near, far] = [box.slice(0, 2), box.slice(2)].map((point) => toFrame(view.view, view.frame, point)[0]);
    const share = (across) => (100 * across) / view.frame.width;
    if (view === this.right) this.divider.put(Math.min(this.divider.value, share(near) - 2));
    else this.divider.put(Math.max(this.divider.value, share(far) + 2));
  }

  #showWay(way) {
    for (const other of ["side", "swipe"]) this.place.classList.toggle(other, other === way);
    document.querySelector(`[name="compare-way"][value="${way}"]`).checked = true;
  }

  #link() {
    const [left, right] = [this.page.view, this.right];
    const follow = (other) => (view) => {
      if ($("right-figure").hidden) return;
      other.view = view;
      this.#reveal();
    };
    [left.onView, right.onView] = [follow(right), follow(left)];
    const frames = new ResizeObserver(() => requestAnimationFrame(() => left.onView(left.view)));
    frames.observe($("right-figure")); // also when it comes into view
    onMark((index) => {
      right.hot = this.#list.find((entry) => index !== null && entry.left === index)?.right ?? null;
    });
    right.onHot = (index) => {
      mark(this.#list.find((entry) => index !== null && entry.right === index)?.left ?? null);
      right.hot = index;
    };
  }
}

/** What a side shows: the model and its engine, and what it waits for or why it has no answer. */
function showName(side, model, answer, problem) {
  const state = answer ? "" : problem ? ` · ${problem.title}. ${sentence(problem.message)}` : " · Detecting…";
  const name = side === "left" ? "Left: " : "Right: ";
  const texts = [element("strong", {}, `${name}${model.name}`), ` ${distinctionOf(model)}${state}`];
  if ($(`${side}-name`).textContent !== texts.map((text) => text.textContent ?? text).join("")) {
    $(`${side}-name`).replaceChildren(...texts);
  }
}
