// The request for the detections in a frame: those that the settings want, because only these are shown.

import { detectQuery, wantedLabels } from "../detections/settings.js";
import { ask, jsonOf } from "../server/client.js";

/** What a request would ask for now, as a text that changes with the model and the settings. */
export function wishOf(models) {
  return `${models.chosen.name} ${detectQuery(models.chosen, models.named())} ${[...wantedLabels()]}`;
}

/** A frame -> its detections [{label, score, box xyxy in its pixels}, ...], best first; throws Problem. */
export async function detectFrame(models, { blob }, milliseconds, signal) {
  const path = `detect?${detectQuery(models.chosen, models.named())}`;
  const headers = { "X-Request-Timeout-Ms": String(Math.round(milliseconds)) };
  const response = await ask(path, { method: "POST", body: blob, headers, signal });
  const { results } = await jsonOf(response);
  const wanted = wantedLabels();
  return results[0].detections
    .map(({ class_id: label, score, box }) => ({ label, score, box: [box.x1, box.y1, box.x2, box.y2] }))
    .filter(({ label }) => wanted.has(label));
}
