// Small pictures of large files. A file is decoded when its thumbnail comes into view, and only a few are at once.

import { $, element } from "../elements.js";

const WIDTH = 200; // pixels: the strip's width on a sharp screen
const MOST_AT_ONCE = 2; // a decoded photo of 12 megapixels takes 48 MB

const files = new WeakMap();
const inView = new Set();
let decoding = 0;
let observer = null;

/** A canvas for the strip that shows `file` small, and stays empty if the browser cannot read it. */
export function thumbnailOf(file) {
  const canvas = element("canvas", { width: 1, height: 1 });
  observer ??= new IntersectionObserver(note, { root: $("thumbs"), rootMargin: "0px 500px" });
  files.set(canvas, file);
  observer.observe(canvas);
  return canvas;
}

function note(entries) {
  for (const { target, isIntersecting } of entries) {
    if (isIntersecting) inView.add(target);
    else inView.delete(target);
  }
  drawNext();
}

async function drawNext() {
  const [canvas] = inView;
  if (!canvas || decoding === MOST_AT_ONCE) return;
  inView.delete(canvas);
  observer.unobserve(canvas);
  decoding += 1;
  drawNext();
  try {
    const bitmap = await createImageBitmap(files.get(canvas), { resizeWidth: WIDTH, resizeQuality: "medium" });
    Object.assign(canvas, { width: bitmap.width, height: bitmap.height });
    canvas.getContext("2d").drawImage(bitmap, 0, 0);
    bitmap.close();
  } catch {
    canvas.hidden = true; // the strip tells what the server says of it
  }
  decoding -= 1;
  drawNext();
}
