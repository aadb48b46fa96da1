// A picture with its boxes in a frame that the visitor zooms and moves.

import { listen } from "./gestures.js";
import { Glide } from "./glide.js";
import { Layers } from "./layers.js";
import { bounded, fitScale, fitted, towards, zoomed } from "./view.js";

const STEP = 1.5; // of the scale, for each press of a button or key

/**
 * `new PictureView(frame)` fills an empty element that has a size.
 *
 * `show(picture, detections, classes)` shows a picture {url, file, answer}, and over it detections
 * [{label, score, box xyxy in the picture's pixels}, ...], best first; a detection without a score (an annotation) is
 * named without one. `decorate(found)` may give a box more classes of style/viewer.css, for example "miss".
 *
 * `view` is {scale, x, y}: CSS pixels for each pixel of the picture, and the picture's point in the middle of the frame.
 * `onView(view)` is called after the visitor has changed it, and not after it was set: `a.onView = (view) => (b.view =
 * view)` links b to a. `hot` is the index of the marked detection, or null; `onHot(index)` is called when the visitor
 * marks one.
 */
export class PictureView {
  decorate = () => "";
  withLabels = true;
  onView = () => {};
  onHot = () => {};
  onLoad = () => {}; // the browser can show the picture, or has failed to
  onDraw = () => {}; // (view, fit) after each drawing
  onScroll = () => {}; // the visitor turns the wheel over the picture, and the page scrolls
  #view = { scale: 1, x: 0, y: 0 };
  #hot = null;
  #isFit = true;
  #isRequested = false;
  #glide = null; // a slow change that is not at its end
  #size = { width: 4, height: 3 };
  #frame = { width: 0, height: 0 };
  #resizes = new ResizeObserver(() => this.#resize());

  constructor(frame) {
    this.element = frame;
    frame.classList.add("view");
    this.layers = new Layers(
      frame,
      () => this.request(),
      (x, y) => this.#change({ ...this.#view, x, y }),
    );
    for (const kind of ["load", "error"]) this.layers.image.addEventListener(kind, () => this.#loaded());
    for (const kind of ["pointerenter", "focus"]) {
      frame.addEventListener(kind, () => this.layers.detail.prepare(this.#size));
    }
    this.#resizes.observe(frame);
    this.stopListening = listen(this);
  }

  show(picture, detections, classes) {
    if (this.picture !== picture) {
      [this.picture, this.#hot, this.#isFit, this.#glide] = [picture, null, true, null];
      this.layers.open(picture);
    }
    const hot = this.detections?.[this.#hot];
    this.#hot = hot ? indexOf(hot, detections) : null;
    this.detections = detections;
    this.layers.boxes.set(detections, classes, this.decorate);
    this.#measure();
  }

  /** Show no picture, and free the memory of the one before. */
  clear() {
    this.picture = null;
    this.layers.clear();
  }

  /** Leave the element empty, and react to nothing more. */
  close() {
    this.clear();
    this.#resizes.disconnect();
    this.stopListening();
    this.element.replaceChildren();
  }

  /** Whether the browser shows the picture. */
  get isShown() {
    return this.layers.image.naturalWidth > 0;
  }

  get view() {
    return this.#view;
  }

  set view(view) {
    this.#glide = null;
    this.#set(view);
  }

  get hot() {
    return this.#hot;
  }

  set hot(index) {
    if (this.#hot === index) return;
    this.#hot = index;
    this.request();
  }

  /** The scale at which the whole picture just fits, and whether it is shown like that. */
  get fit() {
    return { scale: fitScale(this.#size, this.#frame), isFit: this.#isFit };
  }

  get size() {
    return this.#size;
  }

  get frame() {
    return this.#frame;
  }

  /** Mark the detection under a point {left, top} of the frame; null marks none. */
  mark(point) {
    const index = point && this.layers.boxes.at(point, this.#view, this.#frame);
    if (index === this.#hot) return;
    this.hot = index;
    this.onHot(index);
  }

  /** Move to the detection with this index, and mark it. */
  goTo(index) {
    this.hot = index;
    this.#glideTo(towards(this.#view, this.detections[index].box, this.#size, this.#frame));
  }

  zoomToFit() {
    this.#glideTo(fitted(this.#size, this.#frame));
  }

  /** Change the scale slowly, but keep what is under a point (by default the middle) of the frame there. */
  zoomTo(scale, point = this.middle) {
    this.#glideTo(zoomed(this.#view, scale, point, this.#size, this.#frame));
  }

  /** Zoom by a number of steps of the buttons. */
  zoomBy(steps) {
    this.zoomTo((this.#glide?.to ?? this.#view).scale * STEP ** steps);
  }

  /** Change the scale at once, and move by so many CSS pixels. */
  pinch(factor, point, [right, down] = [0, 0]) {
    const { scale, x, y } = zoomed(this.#view, this.#view.scale * factor, point, this.#size, this.#frame);
    this.#change({ scale, x: x - right / scale, y: y - down / scale });
  }

  get middle() {
    return { left: this.#frame.width / 2, top: this.#frame.height / 2 };
  }

  request() {
    if (this.#isRequested) return;
    this.#isRequested = true;
    requestAnimationFrame((now) => {
      this.#isRequested = false;
      this.#draw(now);
    });
  }

  #change(view) {
    this.view = view;
    this.onView(this.#view);
  }

  #set(view) {
    this.#view = bounded(view, this.#size, this.#frame);
    this.#isFit = Math.abs(this.#view.scale / this.fit.scale - 1) < 1e-3;
    this.request();
  }

  #glideTo(to) {
    this.#glide = new Glide(this.#view, to);
    this.request();
  }

  #loaded() {
    this.#measure();
    this.onLoad();
  }

  #measure() {
    this.#size = this.layers.measure(this.picture?.answer) ?? this.#size;
    this.#resize();
  }

  #resize() {
    this.#frame = { width: this.element.clientWidth, height: this.element.clientHeight };
    if (!this.#frame.width || !this.#frame.height) return;
    this.#set(this.#isFit ? fitted(this.#size, this.#frame) : this.#view);
  }

  #draw(now) {
    if (!this.#frame.width) return;
    if (this.#glide) this.#goOn(now);
    this.layers.draw(this.#view, this.#size, this.#frame, this);
    this.onDraw(this.#view, this.fit);
  }

  #goOn(now) {
    const { view, isOver } = this.#glide.at(now);
    if (isOver) this.view = view;
    else this.#view = view;
    this.request();
    this.onView(this.#view);
  }
}

/** The index of the detection with the same box; null if there is none. */
function indexOf({ label, box }, detections) {
  const index = detections.findIndex((other) => other.label === label && other.box.every((edge, i) => edge === box[i]));
  return index < 0 ? null : index;
}
