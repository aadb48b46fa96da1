// Which detections hit an object of the ground truth, as Pascal VOC decides it and `models/evaluation` measures it.

import { area, iou, sharedArea } from "../detections/iou.js";

/**
 * detections [{label, box, ...}], best first; objects [{label, box, isDifficult, isCrowd}] ->
 * {verdicts, missed}: a verdict for each detection, hit, false or uncounted, and the objects that none hits.
 *
 * A detection claims the object of its class with the highest IoU, if that reaches the threshold. The first one that
 * claims an object hits it, and each further one is false. An object that is difficult counts neither as hit nor as
 * missed. As in MS COCO, a crowd may be claimed by any number, by the share of the detection that lies in it.
 */
export function judge(detections, objects, iouThreshold) {
  const single = objects.filter(({ isCrowd }) => !isCrowd);
  const crowds = objects.filter(({ isCrowd }) => isCrowd);
  const claimed = new Set();
  const verdicts = detections.map(({ label, box }) => {
    const ofClass = single.filter((object) => object.label === label);
    const best = highest(ofClass, (object) => iou(object.box, box));
    if (best && iou(best.box, box) >= iouThreshold) {
      if (best.isDifficult) return "uncounted";
      if (claimed.has(best)) return "false";
      claimed.add(best);
      return "hit";
    }
    const isInside = (crowd) => crowd.label === label && sharedArea(crowd.box, box) / area(box) >= iouThreshold;
    return crowds.some(isInside) ? "uncounted" : "false";
  });
  return { verdicts, missed: single.filter((object) => !object.isDifficult && !claimed.has(object)) };
}

/** The first value with the highest measure. */
function highest(values, measure) {
  let [best, most] = [null, -Infinity];
  for (const value of values) {
    const measured = measure(value);
    if (measured > most) [best, most] = [value, measured];
  }
  return best;
}

/** Judged pictures [{detections, verdicts, missed}] -> Map of label -> {hits, falseAlarms, misses}. */
export function countsByLabel(judged) {
  const counts = new Map();
  const add = (label, key) => {
    if (!counts.has(label)) counts.set(label, { hits: 0, falseAlarms: 0, misses: 0 });
    counts.get(label)[key] += 1;
  };
  for (const { detections, verdicts, missed } of judged) {
    for (const [index, { label }] of detections.entries()) {
      if (verdicts[index] !== "uncounted") add(label, verdicts[index] === "hit" ? "hits" : "falseAlarms");
    }
    for (const { label } of missed) add(label, "misses");
  }
  return counts;
}

/** The sum of several counts. */
export function summed(counts) {
  const sum = (key) => counts.reduce((total, count) => total + count[key], 0);
  return { hits: sum("hits"), falseAlarms: sum("falseAlarms"), misses: sum("misses") };
}

/** {hits, falseAlarms, misses} -> {precision, recall, f1}; null if nothing was found, or there was nothing to find. */
export function rates({ hits, falseAlarms, misses }) {
  const share = (part, whole) => (whole ? part / whole : null);
  return {
    precision: share(hits, hits + falseAlarms),
    recall: share(hits, hits + misses),
    f1: share(2 * hits, 2 * hits + falseAlarms + misses),
  };
}
