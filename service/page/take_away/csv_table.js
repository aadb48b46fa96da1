// Results as comma-separated values, as `singleshot detect` writes them: a row for each detection.

const COLUMNS = ["name", "seconds", "width", "height", "label", "class_id", "score", "x1", "y1", "x2", "y2"];

/** The rows under a row of COLUMNS; `seconds` is empty, because a picture is no frame of a video. */
export function csvText({ pictures }) {
  const rows = pictures.flatMap(({ result: { filename, width, height, detections } }) =>
    detections.map(({ label, class_id, score, box }) => {
      const numbers = [score, ...Object.values(box)].map(decimal);
      return [filename, "", width, height, label, class_id, ...numbers];
    }),
  );
  return [COLUMNS, ...rows].map((row) => `${row.map(cell).join(",")}\r\n`).join("");
}

/** A number with a decimal point, so that a reader takes the whole column as one of decimal numbers. */
function decimal(number) {
  return Number.isInteger(number) ? `${number}.0` : String(number);
}

function cell(value) {
  const text = String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
