// How many of the pictures are answered, and what is found in all of them.

import { totalOf } from "../detections/ranking.js";
import { $, on, setText } from "../elements.js";

export function mountProgress(page) {
  on("retry-failed", "click", () => {
    page.pictures.resend(retriable(page.pictures));
    page.drawNow(); // now, because the button goes away
    $("thumbs").querySelector("[aria-current=true]").focus();
  });
  page.addPart(draw);
}

function draw(page) {
  const { list, queue } = page.pictures;
  const numFailed = queue.in("failed").length;
  const numSettled = queue.in("done").length + numFailed;
  const isRunning = numSettled < list.length;
  $("progress").hidden = !isRunning;
  Object.assign($("progress"), { max: Math.max(1, list.length), value: numSettled });
  const failed = numFailed ? `, ${numFailed} failed` : "";
  const found = [...totalOf(list.map((picture) => page.summaryOf(picture))).values()].reduce((a, b) => a + b, 0);
  const numbers = isRunning ? `${numSettled} of ${list.length}` : `${list.length} pictures, ${found} detections`;
  setText("progress-text", `${numbers}${failed}`);
  $("retry-failed").hidden = isRunning || !retriable(page.pictures).length;
  const isTold = !isRunning && list.length > 1;
  setText("progress-told", isTold ? `${list.length} pictures answered${failed}.` : ""); // not each step: only the end
}

/** The failed pictures that may not fail again. */
function retriable({ queue }) {
  return queue.in("failed").filter(({ problem }) => !problem.isFinal);
}
