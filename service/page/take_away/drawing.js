// A picture with its detections drawn on it at its full size, as in service/detection/annotate.py.

import { colourOf } from "../colours.js";

const JPEG_QUALITY = 0.92;
const PIXELS_A_LINE = 300; // of the shorter side, for each pixel of a line's thickness
const MAX_THICKNESS = 8;
const MAX_NAME = 40; // characters

/** The browser cannot draw this picture; the message says why. */
export class DrawingError extends Error {}

/**
 * An image file and its result as /detect answers it -> a JPEG file, a Blob; throws DrawingError.
 * It has the names and the scores if it `isLabelled`.
 */
export async function draw(file, { width, height, detections }, isLabelled) {
  const canvas = emptyCanvas(width, height);
  try {
    await paintPicture(canvas, file);
    const fromWorst = detections.toReversed(); // so that the best is on top
    for (const found of fromWorst) paintBox(canvas, found);
    if (isLabelled) for (const found of fromWorst) paintLabel(canvas, found); // no line crosses a text
    return await encoded(canvas);
  } finally {
    canvas.width = canvas.height = 0; // its memory is free at once, and not only after a garbage collection
  }
}

/** A white canvas: transparent pixels are blended with white, as in the server. */
function emptyCanvas(width, height) {
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const context = canvas.getContext("2d", { willReadFrequently: true }); // in main memory, which holds larger ones
  context.fillStyle = "#fff";
  context.fillRect(0, 0, width, height);
  // each browser has its own limit, and a canvas above it takes no paint
  if (!isPainted(context, width - 1, height - 1)) throw tooLarge(width, height);
  return canvas;
}

function isPainted(context, x, y) {
  try {
    return context.getImageData(x, y, 1, 1).data[3] === 255;
  } catch (error) {
    if (error instanceof DOMException || error instanceof RangeError) return false;
    throw error;
  }
}

function tooLarge(width, height) {
  const size = `${width} × ${height} pixels are more than this browser can draw`;
  return new DrawingError(`${size}; the server's format=image draws them`);
}

/** Paint the picture upright on the whole canvas. */
async function paintPicture(canvas, file) {
  const bitmap = await createImageBitmap(file).catch(() => {
    throw new DrawingError("This browser cannot decode it; the server's format=image draws it");
  });
  canvas.getContext("2d").drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
}

function paintBox(canvas, { class_id, box: { x1, y1, x2, y2 } }) {
  const context = canvas.getContext("2d");
  const thickness = thicknessIn(canvas);
  const [left, right] = [x1, x2].map((x) => Math.round(Math.min(x, canvas.width - 1)));
  const [top, bottom] = [y1, y2].map((y) => Math.round(Math.min(y, canvas.height - 1)));
  const middle = (thickness % 2) / 2; // of a pixel, or between two: the edges of the line are sharp
  context.strokeStyle = colourOf(class_id);
  context.lineWidth = thickness;
  context.strokeRect(left + middle, top + middle, right - left, bottom - top);
}

/** The name and the score above the box, or inside it at the upper edge of the picture. */
function paintLabel(canvas, { label, class_id, score, box: { x1, y1 } }) {
  const context = canvas.getContext("2d");
  const thickness = thicknessIn(canvas);
  context.font = `${12 * thickness}px system-ui, sans-serif`;
  const text = `${label.slice(0, MAX_NAME)} ${score.toFixed(2)}`;
  const [across, down] = [Math.ceil(context.measureText(text).width) + 4 * thickness, 14 * thickness];
  const base = Math.max(Math.round(y1), down);
  const start = Math.max(0, Math.min(Math.round(x1), canvas.width - across));
  context.fillStyle = colourOf(class_id);
  context.fillRect(start, base - down, across, down);
  context.fillStyle = "#000";
  context.fillText(text, start + 2 * thickness, base - 3 * thickness);
}

/** The thickness of lines in pixels; texts grow with it. */
function thicknessIn({ width, height }) {
  return Math.min(Math.max(1, Math.round(Math.min(width, height) / PIXELS_A_LINE)), MAX_THICKNESS);
}

async function encoded(canvas) {
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", JPEG_QUALITY));
  if (!blob) throw tooLarge(canvas.width, canvas.height);
  return blob;
}
