// Which part of a picture a frame shows.
//
// A view is {scale, x, y}: CSS pixels for each pixel of the picture, and the point of the picture in the middle of the
// frame. The sizes of pictures and frames are {width, height}; a point of the frame is {left, top} in CSS pixels.

const MAX_SCALE = 16;

/** The scale at which the whole picture just fits into the frame. */
export function fitScale(size, frame) {
  return Math.min(frame.width / size.width, frame.height / size.height);
}

export function fitted(size, frame) {
  return { scale: fitScale(size, frame), x: size.width / 2, y: size.height / 2 };
}

/** The nearest view that shows no more of the surroundings than necessary, with a scale that is useful. */
export function bounded({ scale, x, y }, size, frame) {
  const fit = fitScale(size, frame);
  const near = between(scale, Math.min(fit, 1), Math.max(4 * fit, MAX_SCALE));
  const centre = (value, full, shown) => (shown >= full ? full / 2 : between(value, shown / 2, full - shown / 2));
  return {
    scale: near,
    x: centre(x, size.width, frame.width / near),
    y: centre(y, size.height, frame.height / near),
  };
}

/** The view at another scale that keeps what is under a point of the frame there. */
export function zoomed(view, scale, { left, top }, size, frame) {
  const near = bounded({ ...view, scale }, size, frame).scale;
  const [x, y] = toPicture(view, frame, { left, top });
  const centre = { x: x - (left - frame.width / 2) / near, y: y - (top - frame.height / 2) / near };
  return bounded({ scale: near, ...centre }, size, frame);
}

/** The view that shows a box xyxy with some surroundings; it moves only if the box is cut or tiny in `view`. */
export function towards(view, [x1, y1, x2, y2], size, frame) {
  const part = Math.max((x2 - x1) / frame.width, (y2 - y1) / frame.height) * view.scale; // of the frame's side
  const [left, top] = toFrame(view, frame, [x1, y1]);
  const [right, bottom] = toFrame(view, frame, [x2, y2]);
  const isWhole = left >= 0 && top >= 0 && right <= frame.width && bottom <= frame.height;
  if (isWhole && part > 0.04) return view;
  const scale = part > 0.8 || part < 0.04 ? (view.scale * 0.25) / Math.max(part, 1e-9) : view.scale;
  return bounded({ scale, x: (x1 + x2) / 2, y: (y1 + y2) / 2 }, size, frame);
}

/** The view between two views, at `part` (0 to 1) of the way. */
export function mixed(from, to, part) {
  const scale = from.scale * (to.scale / from.scale) ** part;
  // a point that is at the same place of the frame in both views stays there in between, too
  const isZoom = Math.abs(to.scale / from.scale - 1) > 1e-6;
  const way = isZoom ? (1 / scale - 1 / from.scale) / (1 / to.scale - 1 / from.scale) : part;
  return { scale, x: from.x + (to.x - from.x) * way, y: from.y + (to.y - from.y) * way };
}

export function toPicture({ scale, x, y }, frame, { left, top }) {
  return [x + (left - frame.width / 2) / scale, y + (top - frame.height / 2) / scale];
}

export function toFrame({ scale, x, y }, frame, [across, down]) {
  return [(across - x) * scale + frame.width / 2, (down - y) * scale + frame.height / 2];
}

function between(value, low, high) {
  return Math.min(Math.max(value, low), high);
}
