// Reads Pascal VOC's XML files: one for each picture.

import { Fault, boxAround, flagOf } from "./fault.js";
import { childrenOf, rootOf, textOf } from "./xml.js";

const CORNERS = ["xmin", "ymin", "xmax", "ymax"];
const POINT = /^[xy]\d*$/;

/**
 * The one picture of the file, as readTruth() describes it. VOC counts pixels from 1 and includes the last:
 * (xmin, ymin, xmax, ymax) becomes (xmin - 1, ymin - 1, xmax, ymax). An object without a bndbox gets the box around its
 * polygon. Objects that are marked difficult are not counted.
 */
export function readVoc(text, fileName) {
  const root = rootOf(text, fileName);
  if (root.localName !== "annotation") {
    throw new Fault(fileName, `its outermost tag is <${root.localName}>; Pascal VOC's is <annotation>`);
  }
  const elements = childrenOf(root, "object");
  if ([...root.querySelectorAll("*")].filter(({ localName }) => localName === "object").length > elements.length) {
    throw new Fault(fileName, "it has an <object> that is not directly in <annotation>");
  }
  const objects = elements.map((element, index) => objectOf(element, fileName, `object ${index + 1}`));
  const size = childrenOf(root, "size")[0];
  const [width, height] = ["width", "height"].map((name) => Number(size && textOf(size, name)) || 0);
  const inner = textOf(root, "filename");
  const names = [fileName, ...(inner ? [inner] : [])];
  return [{ names, size: width && height ? { width, height } : null, objects }];
}

function objectOf(element, fileName, number) {
  const name = textOf(element, "name");
  if (!name) throw new Fault(fileName, `${number} has no name`);
  const place = `${number} (${name})`;
  const boxes = childrenOf(element, "bndbox");
  const corners = boxes.length ? cornersOf(boxes, fileName, place) : aroundPolygon(element, fileName, place);
  const [x1, y1, x2, y2] = corners;
  const isDifficult = flagOf(textOf(element, "difficult"), "difficult", fileName, place);
  return { name, box: [x1 - 1, y1 - 1, x2, y2], isDifficult };
}

function cornersOf(boxes, fileName, place) {
  if (boxes.length > 1) throw new Fault(fileName, `${place} has ${boxes.length} bndbox, and must have one`);
  return CORNERS.map((corner) => numberOf(textOf(boxes[0], corner), corner, fileName, place));
}

/** The corners of the box around a polygon, whose tags are x and y or x1, y1, x2... */
function aroundPolygon(element, fileName, place) {
  const polygon = childrenOf(element, "polygon")[0];
  const tags = [...(polygon?.querySelectorAll("*") ?? [])].filter(({ localName }) => POINT.test(localName));
  const sides = ["x", "y"].map((axis) =>
    tags
      .filter(({ localName }) => localName[0] === axis)
      .map((tag) => numberOf(tag.textContent, tag.localName, fileName, place)),
  );
  const [xs, ys] = sides;
  if (!xs.length || xs.length !== ys.length) {
    throw new Fault(fileName, `${place} has no bndbox with ${CORNERS.join(", ")}`);
  }
  return boxAround(xs.flatMap((x, index) => [x, ys[index]]));
}

function numberOf(text, name, fileName, place) {
  const number = text?.trim() ? Number(text) : NaN;
  if (Number.isFinite(number)) return number;
  const given = text ? `“${text.slice(0, 20)}”` : "missing";
  throw new Fault(fileName, `${place}: ${name} is ${given}, and must be a number`);
}
