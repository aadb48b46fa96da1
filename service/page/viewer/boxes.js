// The boxes of detections, drawn on a canvas as thin as a hair at each zoom.
//
// A canvas, because 2000 elements move at 10 frames a second and 2000 drawn boxes at 60.

import { BoxStyles } from "./box_styles.js";
import { Labels, fitCanvas } from "./labels.js";
import { toFrame, toPicture } from "./view.js";

const CROWD = 200; // boxes in the frame; so many are drawn without dark edges, which would hide what is inside

export class Boxes {
  #context;
  #styles;
  #detections = [];
  #inks = [];
  #texts = [];

  constructor(canvas, frame) {
    this.#context = canvas.getContext("2d");
    this.#styles = new BoxStyles(frame);
  }

  set(detections, classes, decorate) {
    this.#styles.forget();
    this.#detections = detections;
    this.#inks = detections.map((found) => this.#styles.of(found.label, decorate(found)));
    this.#texts = detections.map(({ label, score, sign }) => nameOf(classes[label], score, sign));
  }

  /** The index of the smallest box at a point {left, top} of the frame; null if there is none. */
  at(point, view, frame) {
    const [x, y] = toPicture(view, frame, point);
    const near = 3 / view.scale; // the pixels of the line count, too
    let [best, area] = [null, Infinity];
    for (const [index, { box }] of this.#detections.entries()) {
      const [x1, y1, x2, y2] = box;
      if (x < x1 - near || x > x2 + near || y < y1 - near || y > y2 + near) continue;
      if ((x2 - x1) * (y2 - y1) < area) [best, area] = [index, (x2 - x1) * (y2 - y1)];
    }
    return best;
  }

  /** Draw the boxes that the frame shows, the best on top; `hot` is the index of the marked one, or null. */
  draw(view, frame, { hot, withLabels }) {
    const context = this.#context;
    const sharpness = fitCanvas(context, frame);
    const places = this.#visible(view, frame, sharpness);
    const hasEdges = places.length < CROWD;
    for (const { index, place } of places.toReversed()) {
      context.globalAlpha = hot === null || hot === index ? 1 : 0.35;
      if (index !== hot) drawBox(context, place, this.#inks[index], hasEdges, 1);
    }
    const labels = new Labels(context, frame);
    context.globalAlpha = 1;
    const marked = places.find(({ index }) => index === hot);
    if (marked) {
      drawBox(context, marked.place, this.#inks[hot], true, 1.5);
      labels.write(this.#texts[hot], marked.place, this.#inks[hot], true);
    }
    if (!withLabels) return;
    context.globalAlpha = hot === null ? 1 : 0.35;
    for (const { index, place } of places) {
      if (index !== hot) labels.write(this.#texts[index], place, this.#inks[index], false);
    }
  }

  /** [{index, place [left, top, width, height]}, ...] of the boxes that the frame shows, on whole device pixels. */
  #visible(view, frame, sharpness) {
    const whole = (value) => Math.round(value * sharpness) / sharpness;
    const places = [];
    for (const [index, { box }] of this.#detections.entries()) {
      const [left, top] = toFrame(view, frame, box);
      const [right, bottom] = toFrame(view, frame, box.slice(2));
      if (right < 0 || bottom < 0 || left > frame.width || top > frame.height) continue;
      const [x1, y1] = [whole(Math.max(left, -9)), whole(Math.max(top, -9))];
      const [x2, y2] = [whole(Math.min(right, frame.width + 9)), whole(Math.min(bottom, frame.height + 9))];
      places.push({ index, place: [x1, y1, Math.max(x2 - x1, 2), Math.max(y2 - y1, 2)] });
    }
    return places;
  }
}

export function nameOf(name, score, sign) {
  return [sign, name, score?.toFixed(2)].filter((part) => part != null).join(" ");
}

function drawBox(context, [left, top, width, height], { colour, dash, line }, hasEdge, weight) {
  context.setLineDash(dash);
  if (hasEdge) {
    context.strokeStyle = "#0009";
    context.lineWidth = weight * line + 2;
    context.strokeRect(left, top, width, height);
  }
  context.strokeStyle = colour;
  context.lineWidth = weight * line;
  context.strokeRect(left, top, width, height);
}
