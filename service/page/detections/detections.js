// The detections in a picture: its candidates after NMS, as the server itself would answer.

import { softNms } from "./soft_nms.js";

/**
 * An answer of detect(), settings as settings() gives them and a Set of the wanted labels ->
 * [{label, score, box xyxy in the picture's pixels, clipped to it}, ...], best first.
 */
export function detectionsOf({ boxes, scores, labels, width, height, views = 1 }, settings, wanted) {
  const chosen = [...labels.keys()].filter((index) => wanted.has(labels[index]));
  const pick = (values) => chosen.map((index) => values[index]);
  const candidates = { boxes: pick(boxes), scores: pick(scores), labels: pick(labels) };
  const maxDetections = settings.maxDetections * (settings.isLimitPerView ? views : 1);
  return softNms(candidates, { ...settings, maxDetections }).map(({ index, score }) => {
    const [x1, y1, x2, y2] = candidates.boxes[index];
    const across = (x) => Math.min(Math.max(x, 0), width);
    const down = (y) => Math.min(Math.max(y, 0), height);
    return { label: candidates.labels[index], score, box: [across(x1), down(y1), across(x2), down(y2)] };
  });
}
