// The comparison on the page: its choices, its views and its differences, while it is on.

import { $, on } from "../elements.js";
import { loadStylesheet } from "../stylesheet.js";
import { Judgement, judgedBoxes } from "../truth/judgement.js";
import { addChoices, drawChoices, showChoice } from "./choices.js";
import { Comparison } from "./comparison.js";
import { addDifferences, drawDifferences } from "./differences_panel.js";
import { marked } from "./looks.js";
import { Views } from "./views.js";

/** Add the room to the page, closed. */
export async function openRoom(page) {
  await loadStylesheet("compare");
  return new Room(page);
}

class Room {
  #isOn = false;
  #judgement = null; // of the right side, if there is ground truth

  constructor(page) {
    this.page = page;
    this.form = addChoices(page, () => this.comparison.model, (model) => this.#choose(model));
    this.comparison = new Comparison(page, this.form);
    this.views = new Views(page, this.comparison, (picture, list) => this.#rightBoxes(picture, list));
    addDifferences(page, this.comparison, (entry) => this.views.goTo(entry));
    on("compare-truth", "change", () => page.request());
    on("end-comparison", "click", () => {
      this.toggle();
      page.drawNow(); // now, because a hidden button keeps no focus
      document.querySelector(".menu:has(#compare) summary").focus();
    });
    page.otherJudgement = () => (this.#isOn ? this.#judgement : null);
    page.overlays.unshift((picture) => this.#leftBoxes(picture));
    page.addPart(() => this.#isOn && this.#readSettings(), true);
    page.addPart(() => this.#draw());
    this.#draw();
  }

  /** Open the room or close it. */
  toggle() {
    this.#isOn = !this.#isOn;
    const { list, chosen } = this.page.models;
    const next = list[(list.indexOf(chosen) + 1) % list.length]; // the same if it is the only one
    this.#choose(this.#isOn ? next : null);
  }

  #choose(model) {
    this.comparison.counterparts.choose(model);
    if (model) showChoice(this.page, this.form, model);
    this.page.request();
  }

  #readSettings() {
    const { truth } = this.page;
    this.comparison.readSettings();
    if (truth) this.#judgement ??= new Judgement(truth, this.comparison.side, () => this.page.request());
    this.#judgement?.readSettings();
  }

  /** Whether the views show what the ground truth says, in place of the differences. */
  get #isJudged() {
    return Boolean(this.#judgement?.truth.files.size) && $("compare-truth").checked;
  }

  #leftBoxes(picture) {
    const list = this.#isOn && !this.#isJudged && this.comparison.differencesOf(picture);
    return list ? marked(this.page.detectionsOf(picture), list, "left") : null;
  }

  #rightBoxes(picture, list) {
    const judged = this.#isJudged && this.#judgement.of(picture);
    return judged ? judgedBoxes(judged) : marked(this.comparison.detectionsOf(picture) ?? [], list, "right");
  }

  #draw() {
    const { page, comparison } = this;
    document.querySelector("main").classList.toggle("comparing", this.#isOn);
    for (const id of ["left-title", "right-panel", "right-settings"]) $(id).hidden = !this.#isOn;
    $("differences").hidden = !this.#isOn || !page.pictures.selected;
    $("compare-truth-switch").hidden = !this.#judgement?.truth.files.size;
    this.views.isOpen = this.#isOn;
    if (!this.#isOn) return;
    drawChoices(this.form, comparison.model, comparison.counterparts.isShared);
    this.views.draw();
    drawDifferences(page, comparison);
  }
}
