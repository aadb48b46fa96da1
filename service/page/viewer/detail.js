// The pixels of a large picture that is zoomed, and the first frame of an animated one. The browser's own image stops
// for up to a quarter of a second when a picture of 50 megapixels is zoomed, a canvas does not.

import { fitCanvas } from "./labels.js";
import { levelsFor } from "./levels.js";
import { fitScale, toFrame } from "./view.js";

const LARGE = 4e6; // pixels; the browser zooms smaller pictures smoothly itself
const MOVING = ["image/gif", "image/webp"]; // may be animated; the server sees the first frame, as a canvas shows it

export function isLarge({ width, height }) {
  return width * height >= LARGE;
}

export class Detail {
  #context;
  #file = null;
  #levels = null;

  /** `onReady()` is called when a picture can be drawn that could not be before. */
  constructor(canvas, onReady) {
    this.#context = canvas.getContext("2d", { alpha: false });
    this.onReady = onReady;
    canvas.hidden = true;
  }

  /** Forget the picture before, and be ready for this one. */
  open(file) {
    this.close();
    this.#file = file;
  }

  close() {
    this.#levels?.release(this.onReady);
    [this.#levels, this.#file] = [null, null];
  }

  /** Decode the picture if it is large, because the visitor may zoom soon, or if it may move. */
  prepare(size) {
    if (this.#file && (isLarge(size) || this.#mayMove)) this.#levels ??= levelsFor(this.#file, this.onReady);
  }

  get #mayMove() {
    return MOVING.includes(this.#file?.type);
  }

  /** Draw what the frame shows of such a picture -> whether it is drawn; otherwise the browser's image is seen. */
  draw(view, size, frame) {
    const isWanted = this.#mayMove || view.scale > fitScale(size, frame) * 1.001;
    if (isWanted) this.prepare(size);
    const list = this.#levels?.list;
    const isUpright = list?.[0].width === size.width && list[0].height === size.height; // as the server sees it
    const isDrawn = isWanted && isUpright;
    this.#context.canvas.hidden = !isDrawn;
    if (isDrawn) drawTiles(this.#context, list, view, size, frame);
    return isDrawn;
  }
}

function drawTiles(context, levels, view, size, frame) {
  const sharpness = fitCanvas(context, frame);
  const enough = levels.filter(({ width }) => width >= size.width * view.scale * sharpness);
  const { width, tiles } = enough.at(-1) ?? levels[0];
  const step = size.width / width; // pixels of the picture for each pixel of the level
  context.fillStyle = getComputedStyle(context.canvas).backgroundColor;
  context.fillRect(0, 0, frame.width, frame.height);
  context.imageSmoothingEnabled = view.scale < 3;
  const whole = (value) => Math.round(value * sharpness) / sharpness; // neighbours meet without a gap
  for (const { left, top, bitmap } of tiles) {
    const corner = [Math.min((left + bitmap.width) * step, size.width), Math.min((top + bitmap.height) * step, size.height)];
    const [x1, y1] = toFrame(view, frame, [left * step, top * step]).map(whole);
    const [x2, y2] = toFrame(view, frame, corner).map(whole);
    if (x2 > 0 && y2 > 0 && x1 < frame.width && y1 < frame.height) context.drawImage(bitmap, x1, y1, x2 - x1, y2 - y1);
  }
}
