// The names of boxes, written where there is room.

const HEIGHT = 16; // CSS pixels of a label
const FONT = "11px system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif";
const LONGEST = 2; // times a box's width; longer labels would hide the boxes around it
const widths = new Map();

/** Clear the canvas of `context`, as large as the frame and as sharp as the screen -> device pixels per CSS pixel. */
export function fitCanvas(context, { width, height }) {
  const sharpness = window.devicePixelRatio || 1;
  const [across, down] = [Math.round(width * sharpness), Math.round(height * sharpness)];
  const { canvas } = context;
  if (canvas.width !== across || canvas.height !== down) Object.assign(canvas, { width: across, height: down });
  context.setTransform(sharpness, 0, 0, sharpness, 0, 0);
  context.clearRect(0, 0, width, height);
  return sharpness;
}

/** The labels of one drawing; an earlier one takes its place from later ones. */
export class Labels {
  #rows = new Map();

  constructor(context, frame) {
    this.context = context;
    this.frame = frame;
    context.font = FONT;
    context.textBaseline = "middle";
  }

  /** Write `text` at a box [left, top, width, height]; if it is not `needed`, only if there is room. */
  write(text, [left, top, width, height], { colour, ink }, needed) {
    const wide = this.#widthOf(text) + 8;
    if (!needed && (wide > LONGEST * width || height < HEIGHT)) return;
    const x = Math.max(0, Math.min(left - 1, this.frame.width - wide));
    const isAbove = top - HEIGHT >= 0; // otherwise inside the box, and in the frame
    const y = isAbove ? top - HEIGHT : Math.min(Math.max(top, 0), this.frame.height - HEIGHT);
    if (!this.#take(x, y, wide) && !needed) return;
    this.context.fillStyle = colour;
    this.context.fillRect(x, y, wide, HEIGHT);
    this.context.fillStyle = ink;
    this.context.fillText(text, x + 4, y + HEIGHT / 2 + 0.5);
  }

  /** Take the place if it is free. */
  #take(x, y, wide) {
    const row = Math.floor(y / HEIGHT);
    const near = [row - 1, row, row + 1].flatMap((index) => this.#rows.get(index) ?? []);
    const isTaken = near.some((other) => Math.abs(other.y - y) < HEIGHT && x < other.end && other.x < x + wide);
    if (isTaken) return false;
    this.#rows.set(row, [...(this.#rows.get(row) ?? []), { x, y, end: x + wide }]);
    return true;
  }

  #widthOf(text) {
    if (!widths.has(text)) widths.set(text, this.context.measureText(text).width);
    return widths.get(text);
  }
}
