// How the detections of each picture compare with its ground truth, at the present settings.

import { IdleWork } from "../idle.js";
import { fitted } from "./truth.js";
import { judge } from "./verdicts.js";

/**
 * `side` gives the detections: `answerOf(picture)` and `detectionsOf(picture)` (null without an answer), `classes()` of
 * its model, `wanted()` -> Set of the labels that the visitor wants, `key()` -> a text that differs after each change
 * of its settings. `onStep()` is called when more pictures are judged.
 */
export class Judgement {
  #judged = new WeakMap(); // answer -> {image, key, result}
  #key = "";
  #wanted = new Set();

  constructor(truth, side, onStep) {
    Object.assign(this, { truth, side });
    this.idle = new IdleWork(onStep);
  }

  /** Read the settings; what they do not change is not judged again. */
  readSettings() {
    this.#wanted = this.side.wanted();
    this.#key = JSON.stringify([this.side.key(), this.truth.iouThreshold, this.truth.classNames?.names]);
  }

  /**
   * {detections, verdicts, objects, missed, unknown, notes} of a picture, as judge() and fitted() describe them; null
   * if it has no ground truth or no answer. Only objects of the wanted classes count.
   */
  of(picture) {
    const image = this.truth.of(picture.file.name);
    const answer = this.side.answerOf(picture);
    if (!image || !answer) return null;
    if (this.#isOld(answer, image)) {
      const { objects: all, unknown, notes } = fitted(image, answer, this.side.classes(), this.truth.classNames);
      const objects = all.filter(({ label }) => this.#wanted.has(label));
      const detections = this.side.detectionsOf(picture);
      const result = { detections, objects, unknown, notes, ...judge(detections, objects, this.truth.iouThreshold) };
      this.#judged.set(answer, { image, key: this.#key, result });
    }
    return this.#judged.get(answer).result;
  }

  /** The last known judgements of these pictures; those that have changed follow while the page is idle. */
  ofAll(pictures) {
    const pairs = pictures.map((picture) => [picture, this.side.answerOf(picture), this.truth.of(picture.file.name)]);
    const known = pairs.filter(([, answer, image]) => answer && image);
    const old = known.filter(([, answer, image]) => this.#isOld(answer, image));
    this.idle.replace(old, ([picture]) => this.of(picture));
    return known.map(([, answer]) => this.#judged.get(answer)?.result).filter(Boolean);
  }

  #isOld(answer, image) {
    const last = this.#judged.get(answer);
    return last?.image !== image || last.key !== this.#key;
  }
}

/** The detections and the missed objects of a judged picture, as a view shows them. */
export function judgedBoxes({ detections, verdicts, missed }) {
  const found = detections.map((detection, index) => ({ ...detection, ...LOOKS[verdicts[index]] }));
  return [...found, ...missed.map(({ label, box }) => ({ label, box, sign: "missed", look: "miss" }))];
}

const LOOKS = {
  hit: { sign: "✓", look: "hit" },
  false: { sign: "✕", look: "false" },
  uncounted: { look: "uncounted" },
};
