// What the visitor does to a view with a pointer, the wheel, fingers and keys.

const TAP_PIXELS = 6; // a pointer that moves less has not dragged
const FINGER_PIXELS = 24; // between the two taps of a double tap at most
const DOUBLE_MILLISECONDS = 320;
const ARROWS = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

/** React to all gestures in the view's element -> a function that ends this. */
export function listen(view) {
  const end = new AbortController();
  const on = (kind, react, options = {}) => view.element.addEventListener(kind, react, { ...options, ...end });
  const at = ({ clientX, clientY }) => {
    const { left, top } = view.element.getBoundingClientRect();
    return { left: clientX - left - view.element.clientLeft, top: clientY - top - view.element.clientTop };
  };
  listenToPointers(view, on, at);
  on("wheel", (event) => wheel(view, event, at(event)), { passive: false });
  on("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    if (press(view, event.key)) event.preventDefault();
  });
  return () => end.abort();
}

function listenToPointers(view, on, at) {
  const held = new Map(); // pointer id -> where it is
  let start = null; // where a pointer went down that has not moved since
  let isMouse = false;
  on("pointerdown", (event) => {
    if (event.button > 0) return;
    held.set(event.pointerId, at(event));
    start = held.size === 1 ? at(event) : null; // a second finger makes no tap
    view.element.setPointerCapture(event.pointerId);
  });
  on("pointermove", (event) => {
    const [before, now] = [held.get(event.pointerId), at(event)];
    if (!before) return view.mark(now);
    if (start && Math.hypot(now.left - start.left, now.top - start.top) < TAP_PIXELS) return;
    start = null;
    const other = [...held].find(([id]) => id !== event.pointerId)?.[1];
    held.set(event.pointerId, now);
    drag(view, before, now, other);
  });
  const tap = tapper(view);
  on("pointerup", (event) => {
    isMouse = event.pointerType === "mouse";
    if (held.delete(event.pointerId) && start && !isMouse) tap(event.timeStamp, at(event));
  });
  on("pointercancel", (event) => held.delete(event.pointerId));
  on("pointerleave", (event) => event.pointerType === "mouse" && view.mark(null));
  on("dblclick", (event) => isMouse && toggle(view, at(event)));
}

/** A function (time, point) that marks the box at a tap, and zooms at the second of two. */
function tapper(view) {
  let last = { time: -Infinity };
  return (time, point) => {
    const isNear = Math.hypot(point.left - last.left, point.top - last.top) < FINGER_PIXELS;
    const isDouble = isNear && time - last.time < DOUBLE_MILLISECONDS;
    last = { time: isDouble ? -Infinity : time, ...point };
    if (isDouble) toggle(view, point);
    else view.mark(point);
  };
}

/** One pointer moves the picture; two also zoom it. */
function drag(view, before, now, other) {
  if (!other) return view.pinch(1, now, [now.left - before.left, now.top - before.top]);
  const distance = (point) => Math.max(Math.hypot(point.left - other.left, point.top - other.top), 1);
  const middle = { left: (before.left + other.left) / 2, top: (before.top + other.top) / 2 };
  const moved = [(now.left - before.left) / 2, (now.top - before.top) / 2];
  view.pinch(distance(now) / distance(before), middle, moved);
}

/** The whole picture becomes large around the point, and a large picture whole again. */
function toggle(view, point) {
  const { scale, isFit } = view.fit;
  if (isFit) view.zoomTo(Math.max(1, 2 * scale), point);
  else view.zoomToFit();
}

/** The page scrolls as usual, unless the visitor holds Ctrl or ⌘ or has chosen the picture. */
function wheel(view, event, point) {
  const isForced = event.ctrlKey || event.metaKey; // a trackpad's pinch comes as small steps with Ctrl
  if (!isForced && !view.element.matches(":focus")) return view.onScroll();
  const pixels = event.deltaY * [1, 16, 400][event.deltaMode];
  if (!isForced && pixels > 0 && view.fit.isFit) return;
  event.preventDefault();
  const speed = event.ctrlKey && Math.abs(pixels) < 40 ? 0.01 : 0.002;
  view.pinch(Math.exp(-speed * Math.max(-240, Math.min(240, pixels))), point);
}

/** Do what a key asks for -> whether it asks for anything. */
function press(view, key) {
  const { isFit } = view.fit;
  const move = ARROWS[key];
  if (move && !isFit) view.pinch(1, view.middle, [move[0] * 80, move[1] * 80]);
  else if (key === "+" || key === "=") view.zoomBy(1);
  else if (key === "-" || key === "_") view.zoomBy(-1);
  else if (key === "0") view.zoomToFit();
  else if (key === "1") view.zoomTo(1);
  else return false;
  return true;
}
