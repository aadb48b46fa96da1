// Two models, or one with other settings, on the same pictures: what each finds, and where they differ.

import { Ranking } from "../detections/ranking.js";
import { settings, wantedLabels } from "../detections/settings.js";
import { IdleWork } from "../idle.js";
import { Counterparts } from "./counterparts.js";
import { differences } from "./differences.js";

/** `form` holds the right side's settings. The classes that the visitor left out are left out on both sides. */
export class Comparison {
  #found = new WeakMap(); // picture -> {answers, key, list}
  #key = "";
  #wanted = new Set();

  constructor(page, form) {
    Object.assign(this, { page, form });
    this.counterparts = new Counterparts(page);
    this.ranking = new Ranking(() => page.request());
    this.idle = new IdleWork(() => page.request());
  }

  get model() {
    return this.counterparts.model;
  }

  /** Read the settings of both sides; what they do not change is not compared again. */
  readSettings() {
    const { chosen } = this.page.models;
    const wanted = wantedLabels();
    const leftOut = new Set(chosen.classes.filter((_, label) => !wanted.has(label)));
    const labels = [...this.model.classes.keys()].filter((label) => !leftOut.has(this.model.classes[label]));
    this.#wanted = new Set(labels);
    this.ranking.readSettings(settings(this.form), this.#wanted);
    this.#key = JSON.stringify([settings(), settings(this.form), [...wanted], labels]);
  }

  /** The right side, as Judgement wants it. */
  get side() {
    return {
      answerOf: (picture) => this.counterparts.answerOf(picture),
      detectionsOf: (picture) => this.detectionsOf(picture),
      classes: () => this.model.classes,
      wanted: () => this.#wanted,
      key: () => this.#key,
    };
  }

  /** The right side's detections in a picture, best first; null if it is not answered. */
  detectionsOf(picture) {
    return this.ranking.detectionsOf({ answer: this.counterparts.answerOf(picture) });
  }

  /** The differences in a picture, as differences() gives them; null if one side is not answered. */
  differencesOf(picture) {
    if (!this.#isAnswered(picture)) return null;
    if (this.#isOld(picture)) {
      const { chosen } = this.page.models;
      const [left, right] = [this.page.detectionsOf(picture), this.detectionsOf(picture)];
      const list = differences(named(left, chosen.classes), named(right, this.model.classes));
      const answers = [picture.answer, this.counterparts.answerOf(picture)];
      this.#found.set(picture, { answers, key: this.#key, list });
    }
    return this.#found.get(picture).list;
  }

  /** The last known differences of these pictures; those that have changed follow while the page is idle. */
  differencesOfAll(pictures) {
    const answered = pictures.filter((picture) => this.#isAnswered(picture));
    const old = answered.filter((picture) => this.#isOld(picture));
    this.idle.replace(old, (picture) => this.differencesOf(picture));
    return answered.map((picture) => this.lastOf(picture)).filter(Boolean);
  }

  /** The differences in a picture when they were last looked for; null if they never were. */
  lastOf(picture) {
    return this.#found.get(picture)?.list ?? null;
  }

  #isAnswered(picture) {
    return Boolean(picture.answer && this.counterparts.answerOf(picture));
  }

  #isOld(picture) {
    const last = this.#found.get(picture);
    const [left, right] = last?.answers ?? [];
    return last?.key !== this.#key || left !== picture.answer || right !== this.counterparts.answerOf(picture);
  }
}

function named(detections, classes) {
  return detections.map((found) => ({ ...found, name: classes[found.label] }));
}
