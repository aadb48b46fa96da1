// The detections of all pictures with the present settings: those that are asked for at once, the others when idle.

import { IdleWork } from "../idle.js";
import { detectionsOf } from "./detections.js";
import { settings, wantedLabels } from "./settings.js";

/** `onStep()` is called each time that some pictures have been ranked while the page was idle. */
export class Ranking {
  isSettled = true; // whether all pictures are ranked with the present settings
  #ranks = new WeakMap(); // answer -> {key, detections, summary}
  #key = null;
  #settings = null;
  #wanted = null;
  #idle;

  constructor(onStep) {
    this.#idle = new IdleWork(onStep);
  }

  /** Take settings and wanted labels, by default those of the page. Lists of detections that they do not change stay the same objects. */
  readSettings(chosen = settings(), wanted = wantedLabels()) {
    [this.#settings, this.#wanted] = [chosen, wanted];
    this.#key = JSON.stringify([this.#settings, ...this.#wanted]);
  }

  /** The detections in a picture, best first; null if it is not answered. */
  detectionsOf({ answer }) {
    if (!answer) return null;
    if (this.#ranks.get(answer)?.key !== this.#key) {
      const start = performance.now();
      const detections = detectionsOf(answer, this.#settings, this.#wanted);
      answer.rankMilliseconds = performance.now() - start;
      this.#ranks.set(answer, { key: this.#key, detections, summary: summaryOf(detections) });
    }
    return this.#ranks.get(answer).detections;
  }

  /**
   * {count, counts: Map of label -> count, lowest and highest score or null} of the detections in a picture; after a
   * change of the settings the earlier ones until the picture is ranked again; null if it is not ranked yet.
   */
  summaryOf({ answer }) {
    return (answer && this.#ranks.get(answer)?.summary) ?? null;
  }

  /** Rank these pictures while the page is idle. */
  catchUp(pictures) {
    const old = pictures.filter(({ answer }) => answer && this.#ranks.get(answer)?.key !== this.#key);
    this.isSettled = old.length === 0;
    this.#idle.replace(old, (picture) => this.detectionsOf(picture));
  }
}

function summaryOf(detections) {
  const counts = new Map();
  for (const { label } of detections) counts.set(label, (counts.get(label) ?? 0) + 1);
  return {
    count: detections.length,
    counts,
    lowest: detections.at(-1)?.score ?? null,
    highest: detections[0]?.score ?? null,
  };
}

/** Summaries -> Map of label -> the number of detections in all of them. */
export function totalOf(summaries) {
  const total = new Map();
  for (const summary of summaries) {
    for (const [label, count] of summary?.counts ?? []) total.set(label, (total.get(label) ?? 0) + count);
  }
  return total;
}
