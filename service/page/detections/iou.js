// The overlap of boxes.

/** Intersection over union of two boxes xyxy; 0 if they share no area. */
export function iou(a, b) {
  const shared = sharedArea(a, b);
  return shared && shared / (area(a) + area(b) - shared);
}

/** The area that two boxes xyxy have in common. */
export function sharedArea(a, b) {
  const width = Math.min(a[2], b[2]) - Math.max(a[0], b[0]);
  const height = Math.min(a[3], b[3]) - Math.max(a[1], b[1]);
  return width > 0 && height > 0 ? width * height : 0;
}

export function area([x1, y1, x2, y2]) {
  return (x2 - x1) * (y2 - y1);
}
