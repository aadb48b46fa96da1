// All results in one archive: as JSON, CSV and MS COCO, and each picture with its detections drawn on it.

import { answerText } from "./answer.js";
import { cocoText } from "./coco.js";
import { csvText } from "./csv_table.js";
import { DrawingError, draw } from "./drawing.js";
import { distinct, drawnName, safe } from "./names.js";
import { ZipArchive } from "./zip.js";

/**
 * A snapshot -> {archive, numNotDrawn}: a Blob, and the number of pictures that its folder `drawn` lacks.
 *
 * The file not_drawn.txt names them and says why this browser could not draw them. One picture is drawn at a
 * time, and `onProgress(done, total)` is called before each. Throws ZipLimitError, and AbortError after `signal`.
 */
export async function archiveOf(snapshot, { onProgress, signal }) {
  const zip = new ZipArchive();
  await zip.add("detections.json", new Blob([answerText(snapshot)]));
  await zip.add("detections.csv", new Blob([csvText(snapshot)]));
  await zip.add("coco.json", new Blob([cocoText(snapshot)]));
  const pictures = snapshot.pictures.filter(({ result }) => !result.error);
  const names = distinct(pictures.map(({ result }) => safe(drawnName(result.filename))));
  const failures = [];
  for (const [index, { file, result }] of pictures.entries()) {
    signal.throwIfAborted();
    onProgress(index, pictures.length);
    try {
      await zip.add(`drawn/${names[index]}`, await draw(file, result, snapshot.isLabelled));
    } catch (error) {
      if (!(error instanceof DrawingError)) throw error;
      failures.push(`${result.filename}: ${error.message}\n`);
    }
  }
  signal.throwIfAborted();
  if (failures.length) await zip.add("not_drawn.txt", new Blob(failures));
  return { archive: zip.finish(), numNotDrawn: failures.length };
}
