// Results as a data set of MS COCO: https://cocodataset.org/#format-data, with the score of each annotation.

/** Categories count from 1 in the order of the model's classes, as in `singleshot detect`. */
export function cocoText({ model, version, settings, classes, pictures }) {
  const results = pictures.map(({ result }) => result).filter(({ error }) => !error);
  const ids = imageIds(results.map(({ filename }) => filename));
  const images = results.map(({ filename, width, height }, index) => ({
    id: ids[index],
    file_name: filename,
    width,
    height,
  }));
  const annotations = results
    .flatMap(({ detections }, index) => detections.map((found) => annotationOf(found, ids[index])))
    .map((annotation, index) => ({ id: index + 1, ...annotation }));
  const categories = classes.map((name, label) => ({ id: label + 1, name }));
  const info = { description: `Detections of the model ${model}`, version, settings };
  return `${JSON.stringify({ info, images, annotations, categories }, null, 2)}\n`;
}

/** names (N) -> ids (N): the numbers that the names are, as 139 of 000000000139.jpg, if all are different numbers. */
function imageIds(names) {
  const numbers = names.map((name) => Number(/^(\d{1,15})(\.[^.]+)?$/.exec(name)?.[1] ?? NaN));
  const areAll = numbers.every(Number.isSafeInteger) && new Set(numbers).size === names.length;
  return areAll ? numbers : names.map((_, index) => index + 1);
}

function annotationOf({ class_id, score, box: { x1, y1, x2, y2 } }, image_id) {
  const [width, height] = [rounded(x2 - x1), rounded(y2 - y1)];
  const bbox = [x1, y1, width, height];
  return { image_id, category_id: class_id + 1, bbox, area: rounded(width * height), iscrowd: 0, score };
}

function rounded(pixels) {
  return Number(pixels.toFixed(2));
}
