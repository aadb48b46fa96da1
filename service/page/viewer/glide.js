// A slow change from one view to another, so that the visitor sees where the picture goes.

import { mixed } from "./view.js";

const MILLISECONDS = 160;

export class Glide {
  #start = performance.now();
  #milliseconds = matchMedia("(prefers-reduced-motion: reduce)").matches ? 0 : MILLISECONDS;

  constructor(from, to) {
    [this.from, this.to] = [from, to];
  }

  /** The view at a time of performance.now(), and whether it is the last. */
  at(now) {
    const time = this.#milliseconds ? Math.max(now - this.#start, 0) / this.#milliseconds : 1;
    if (time >= 1) return { view: this.to, isOver: true };
    return { view: mixed(this.from, this.to, 1 - (1 - time) ** 3), isOver: false };
  }
}
