// What the page shows now, apart from the page: later changes of the settings do not change it.

import { detectParameters } from "../detections/settings.js";
import { $ } from "../elements.js";
import { distinct } from "./names.js";

/**
 * The pictures with their results, as `{model, version, classes, settings, isLabelled, pictures, numPending}`.
 *
 * Each of `pictures` is {file, result}, and its result has the form of a result of /detect: {filename, width, height,
 * detections}, and `error` if the picture was refused. `numPending` pictures have neither and are left out.
 */
export function snapshotOf(page, pictures) {
  const { chosen } = page.models;
  const names = distinct(pictures.map(({ file }) => file.name));
  const results = pictures.map((picture, index) => resultOf(page, picture, names[index]));
  const answers = pictures.flatMap(({ answer }) => answer ?? []);
  return {
    model: chosen.name,
    // several if the server went over to another version between the pictures
    version: [...new Set(answers.map(({ version }) => version))].join(", ") || chosen.version,
    classes: chosen.classes,
    settings: known(detectParameters(chosen)),
    isLabelled: $("show-labels").checked,
    pictures: pictures.map(({ file }, index) => ({ file, result: results[index] })).filter(({ result }) => result),
    numPending: results.filter((result) => !result).length,
  };
}

function resultOf(page, picture, filename) {
  const { answer, problem, state } = picture;
  if (answer) {
    const detections = page.detectionsOf(picture).map((found) => rowOf(found, page.models.chosen.classes));
    const views = answer.views === undefined ? {} : { views: answer.views }; // of tiles
    return { filename, width: answer.width, height: answer.height, ...views, detections };
  }
  if (state !== "failed") return null;
  const error = { status: problem.status, title: problem.title, detail: problem.message };
  return { filename, width: null, height: null, detections: [], error };
}

/** A detection as /detect answers it, with its digits. */
function rowOf({ label, score, box }, classes) {
  const [x1, y1, x2, y2] = box.map((edge) => Number(edge.toFixed(2)));
  return { label: classes[label], class_id: label, score: Number(score.toFixed(6)), box: { x1, y1, x2, y2 } };
}

function known(parameters) {
  return Object.fromEntries(Object.entries(parameters).filter(([, value]) => value !== null));
}
