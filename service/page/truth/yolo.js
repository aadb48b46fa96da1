// Reads YOLO's text files: one for each picture, with a row for each object.

import { Fault, boxAround } from "./fault.js";

const LOWEST = -0.01; // of a coordinate, as Ultralytics checks it
const HIGHEST = 1.01;
const SHORTEST_POLYGON = 7; // a class and three points

/**
 * The one picture of the file, as readTruth() describes it. A row is a class and a box or a polygon, in shares of the
 * picture's width and height. A file without rows says that its picture has no objects.
 */
export function readYolo(text, fileName) {
  const objects = [];
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const row = line.trim();
    if (row) objects.push(objectOf(row.split(/\s+/), fileName, `line ${index + 1}`));
  }
  return [{ names: [fileName], size: null, objects }];
}

function objectOf(row, fileName, place) {
  const values = row.map(Number);
  if (!values.every(Number.isFinite)) {
    throw new Fault(fileName, `${place} is “${row.join(" ").slice(0, 40)}”, and must be a row of numbers`);
  }
  const isPolygon = row.length >= SHORTEST_POLYGON && row.length % 2 === 1;
  if (row.length !== 5 && !isPolygon) {
    const wanted = "a class and a box (x, y, width, height), or a class and three or more points";
    throw new Fault(fileName, `${place} has ${row.length} numbers, and must have ${wanted}`);
  }
  const [number, ...shares] = values;
  if (!Number.isInteger(number) || number < 0) {
    throw new Fault(fileName, `${place}: the class is ${row[0]}, and must be a number from 0`);
  }
  if (!shares.every((share) => LOWEST <= share && share <= HIGHEST)) {
    throw new Fault(fileName, `${place}: a coordinate is not from 0 to 1; YOLO's are shares of the width and height`);
  }
  return { number, box: isPolygon ? boxAround(shares) : aroundCentre(shares), isShares: true };
}

function aroundCentre([x, y, width, height]) {
  return [x - width / 2, y - height / 2, x + width / 2, y + height / 2];
}
