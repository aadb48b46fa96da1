// The differences between two lists of detections in one picture.

import { iou } from "../detections/iou.js";

const MATCH_IOU = 0.5; // boxes with less in common are two objects
const SAME_IOU = 0.9; // boxes with less in common have moved
const SCORE_STEP = 0.05; // scores that differ by less are the same

/** The kinds of differences, in the order of the list; `same` is no difference. */
export const KINDS = ["left", "right", "relabelled", "moved", "score", "same"];

/**
 * left and right [{name, score, box xyxy}], best first ->
 * [{kind, left, right, iou}], with the indexes of the detections (null if only one side has it).
 *
 * From the best score of both sides down, each detection takes the one of the other side with its name that overlaps it
 * most, from an IoU of 0.5. Those that are left take one with another name in the same way: `relabelled`.
 */
export function differences(left, right) {
  const pairs = [];
  const taken = [new Set(), new Set()];
  const sides = [left, right];
  const order = [...left.keys()].map((index) => [0, index]).concat([...right.keys()].map((index) => [1, index]));
  order.sort(([sideA, a], [sideB, b]) => sides[sideB][b].score - sides[sideA][a].score);
  for (const isNamed of [true, false]) {
    for (const [side, index] of order) {
      if (taken[side].has(index)) continue;
      const one = sides[side][index];
      const other = 1 - side;
      const free = [...sides[other].keys()].filter(
        (number) => !taken[other].has(number) && (sides[other][number].name === one.name) === isNamed,
      );
      const best = bestOf(free, (number) => iou(one.box, sides[other][number].box));
      if (best === null) continue;
      taken[side].add(index);
      taken[other].add(best);
      const [a, b] = side ? [best, index] : [index, best];
      pairs.push(pairOf(left, right, a, b));
    }
  }
  const alone = order
    .filter(([side, index]) => !taken[side].has(index))
    .map(([side, index]) => ({
      kind: side ? "right" : "left",
      left: side ? null : index,
      right: side ? index : null,
      iou: 0,
    }));
  return [...alone, ...pairs].sort((a, b) => KINDS.indexOf(a.kind) - KINDS.indexOf(b.kind));
}

/** The number that overlaps most, from MATCH_IOU on; null if none does. */
function bestOf(numbers, overlapOf) {
  let [best, most] = [null, 0];
  for (const number of numbers) {
    const overlap = overlapOf(number);
    if (overlap >= MATCH_IOU && overlap > most) [best, most] = [number, overlap];
  }
  return best;
}

function pairOf(left, right, a, b) {
  const overlap = iou(left[a].box, right[b].box);
  const change = Math.abs(left[a].score - right[b].score);
  const [isMoved, isScored] = [overlap < SAME_IOU, change >= SCORE_STEP];
  const kind = left[a].name !== right[b].name ? "relabelled" : isMoved ? "moved" : isScored ? "score" : "same";
  return { kind, left: a, right: b, iou: overlap };
}

/** Lists of differences -> the count of each kind. */
export function countKinds(lists) {
  const counts = Object.fromEntries(KINDS.map((kind) => [kind, 0]));
  for (const list of lists) for (const { kind } of list) counts[kind] += 1;
  return counts;
}
