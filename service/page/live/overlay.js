// The boxes over a video.

import { Boxes } from "../viewer/boxes.js";
import { fitted } from "../viewer/view.js";

export class Overlay {
  #boxes;
  #frame;
  #size = null;
  withLabels = true;
  hot = null; // no box is marked

  constructor(canvas, frame) {
    this.#boxes = new Boxes(canvas, frame);
    this.#frame = frame;
    new ResizeObserver(() => this.draw()).observe(frame);
  }

  /** Show detections whose boxes are in pixels of a frame of `size`. */
  show(detections, classes, size) {
    this.#boxes.set(detections, classes, () => "");
    this.#size = size;
    this.draw();
  }

  showLabels(withLabels) {
    this.withLabels = withLabels;
    this.draw();
  }

  clear() {
    this.show([], [], { width: 4, height: 3 });
  }

  draw() {
    const frame = { width: this.#frame.clientWidth, height: this.#frame.clientHeight };
    if (this.#size && frame.width) this.#boxes.draw(fitted(this.#size, frame), frame, this);
  }
}
