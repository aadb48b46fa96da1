// Reads MS COCO's JSON files: one for many pictures.

import { Fault, boxAround, flagOf } from "./fault.js";

const LISTS = ["images", "annotations", "categories"];
const WANTED = "an id must be a whole number, and a name a text";

/** The pictures of the file, as readTruth() describes them. Objects with iscrowd are not counted. */
export function readCoco(text, fileName) {
  const content = contentOf(text, fileName);
  const names = namesOf(content.categories, fileName);
  const images = imagesOf(content.images, fileName);
  for (const [index, annotation] of content.annotations.entries()) {
    const place = "id" in annotation ? `annotation ${annotation.id}` : `annotation number ${index + 1}`;
    const image = images.get(annotation.image_id);
    if (!image) throw new Fault(fileName, `${place}: no image has its image_id ${shown(annotation.image_id)}`);
    const name = names.get(annotation.category_id);
    if (name === undefined) {
      throw new Fault(fileName, `${place}: no category has its category_id ${shown(annotation.category_id)}`);
    }
    const isCrowd = flagOf(annotation.iscrowd, "iscrowd", fileName, place);
    image.objects.push({ name, box: boxOf(annotation, fileName, place), isCrowd });
  }
  return [...images.values()];
}

function contentOf(text, fileName) {
  let content;
  try {
    content = JSON.parse(text);
  } catch (error) {
    throw new Fault(fileName, `it is not JSON (${error.message.replace(/\.$/, "")})`);
  }
  for (const key of LISTS) {
    const list = content?.[key];
    if (!Array.isArray(list) || !list.every((entry) => entry && typeof entry === "object")) {
      const fault = `“${key}” is missing or is no list of objects`;
      throw new Fault(fileName, `it is not MS COCO's ground truth, because ${fault}`);
    }
  }
  return content;
}

function namesOf(categories, fileName) {
  const names = new Map();
  for (const { id, name } of categories) {
    if (!Number.isInteger(id) || !String(name ?? "").trim()) {
      throw new Fault(fileName, `a category has the id ${shown(id)} and the name ${shown(name)}; ${WANTED}`);
    }
    if (names.has(id)) throw new Fault(fileName, `two categories have the id ${id}`);
    names.set(id, String(name).trim());
  }
  return names;
}

function imagesOf(entries, fileName) {
  const images = new Map();
  const seen = new Set();
  for (const { id, file_name, width, height } of entries) {
    if (!Number.isInteger(id) || typeof file_name !== "string" || !file_name) {
      throw new Fault(fileName, `an image has the id ${shown(id)} and the file_name ${shown(file_name)}; ${WANTED}`);
    }
    if (images.has(id)) throw new Fault(fileName, `two images have the id ${id}`);
    if (seen.has(file_name)) throw new Fault(fileName, `two images have the file_name ${file_name}`);
    seen.add(file_name);
    const size = width > 0 && height > 0 ? { width: Number(width), height: Number(height) } : null;
    images.set(id, { names: [file_name], size, objects: [] });
  }
  return images;
}

/** The box xyxy of an annotation; without a bbox the one around its polygons. */
function boxOf({ bbox, segmentation }, fileName, place) {
  if (isNumbers(bbox) && bbox.length === 4) {
    const [x, y, width, height] = bbox;
    return [x, y, x + width, y + height];
  }
  const isPolygon = (points) => isNumbers(points) && points.length >= 6 && points.length % 2 === 0;
  const isDrawn = Array.isArray(segmentation) && segmentation.length > 0 && segmentation.every(isPolygon);
  if (!bbox?.length && isDrawn) return boxAround(segmentation.flat());
  throw new Fault(fileName, `${place}: its bbox is ${shown(bbox)}, and must be the numbers [x, y, width, height]`);
}

function isNumbers(values) {
  return Array.isArray(values) && values.every(Number.isFinite);
}

function shown(value) {
  return value === undefined ? "missing" : JSON.stringify(value).slice(0, 60);
}
