// The files that a visitor can take away, each made from a snapshot of the page.

import { answerText } from "./answer.js";
import { archiveOf } from "./archive.js";
import { cocoText } from "./coco.js";
import { copy } from "./clipboard.js";
import { csvText } from "./csv_table.js";
import { download } from "./download.js";
import { DrawingError, draw } from "./drawing.js";
import { safe, stemOf } from "./names.js";
import { begin, finish, proceed } from "./taking.js";
import { ZipLimitError } from "./zip.js";

const TEXTS = {
  json: [answerText, "detections.json", "application/json"],
  csv: [csvText, "detections.csv", "text/csv"],
  coco: [cocoText, "coco.json", "application/json"],
};

/** Save the snapshot in a `form`: json, csv, coco, drawing, archive; or `copy` its JSON to the clipboard. */
export async function take(form, snapshot) {
  try {
    const text = await { copy: copyAnswer, drawing: saveDrawing, archive: saveArchive }[form]?.(snapshot);
    finish(`${text ?? saveText(form, snapshot)}${pendingNote(snapshot)}`);
  } catch (error) {
    if (error instanceof DrawingError || error instanceof ZipLimitError) finish(`${error.message}.`);
    else if (error.name !== "AbortError") throw error;
  }
}

function saveText(form, snapshot) {
  const [textOf, ending, type] = TEXTS[form];
  return save(new Blob([textOf(snapshot)], { type }), fileName(snapshot, ending));
}

async function copyAnswer(snapshot) {
  const isCopied = await copy(answerText(snapshot));
  return isCopied ? "The JSON is copied." : "This browser does not let the page copy; save the JSON instead.";
}

async function saveDrawing(snapshot) {
  const signal = begin("Drawing the picture");
  const [{ file, result }] = snapshot.pictures;
  const drawing = await draw(file, result, snapshot.isLabelled);
  signal.throwIfAborted();
  return save(drawing, fileName(snapshot, "detections.jpg"));
}

async function saveArchive(snapshot) {
  const signal = begin("Drawing the pictures");
  const onProgress = (done, total) => proceed(`Drawing picture ${done + 1} of ${total}`, done, total);
  const { archive, numNotDrawn } = await archiveOf(snapshot, { onProgress, signal });
  const note = numNotDrawn ? ` This browser cannot draw ${numNotDrawn} of the pictures: see not_drawn.txt.` : "";
  return save(archive, "detections.zip") + note;
}

function save(blob, name) {
  download(blob, name);
  return `Saved ${name}.`;
}

/** cells.detections.json for one picture, detections.json for several. */
function fileName({ pictures, isOfAll }, ending) {
  return isOfAll ? ending : `${safe(stemOf(pictures[0].result.filename))}.${ending}`;
}

function pendingNote({ numPending }) {
  return numPending ? ` ${numPending} without an answer yet ${numPending === 1 ? "is" : "are"} left out.` : "";
}
