// Soft-NMS for each class, as in service/detection/soft_nms.py: change both together; a test compares them.

import { iou } from "./iou.js";

/**
 * candidates {boxes: [[x1, y1, x2, y2], ...], scores: [...], labels: [...]} -> [{index, score}, ...], best first.
 *
 * Each step takes the box with the best score; then the scores of the other boxes with its label decay: gaussian by
 * exp(-iou² / sigma), linear by 1 - iou if iou > iouThreshold, hard to 0 if iou > iouThreshold, none not at all. A box
 * whose score falls below scoreThreshold (or to 0) is removed. Boxes with equal scores keep their order.
 */
export function softNms({ boxes, scores, labels }, { method, sigma, iouThreshold, scoreThreshold, maxDetections }) {
  const decayed = Float64Array.from(scores);
  const survives = (index) => decayed[index] > 0 && decayed[index] >= scoreThreshold;
  const kept = [];
  let left = [...decayed.keys()].filter(survives);
  while (left.length && kept.length < maxDetections) {
    const best = left.reduce((a, b) => (decayed[b] > decayed[a] ? b : a));
    kept.push({ index: best, score: decayed[best] });
    for (const other of left) {
      if (method === "none" || other === best || labels[other] !== labels[best]) continue;
      const overlap = iou(boxes[best], boxes[other]);
      if (method === "gaussian") decayed[other] *= Math.exp((-overlap * overlap) / sigma);
      else if (overlap > iouThreshold) decayed[other] *= method === "linear" ? 1 - overlap : 0;
    }
    left = left.filter((index) => index !== best && survives(index));
  }
  return kept;
}
