// What went wrong with the selected picture, and when it is sent again.

import { $, on, sentence, setText } from "../elements.js";

const FINAL = new Set([400, 404, 413, 415, 422]); // the same request would fail again

export function mountProblem(page) {
  on("retry", "click", () => {
    page.pictures.resend([page.pictures.selected]);
    page.request();
  });
  page.addPart(({ pictures: { selected } }) => draw(selected ?? {}));
}

function draw({ problem, state, retryAt }) {
  $("problem").hidden = !problem;
  if (!problem) return;
  setText("problem-title", `${problem.title}.`);
  setText("problem-detail", sentence(problem.message));
  $("again").hidden = FINAL.has(problem.status);
  const seconds = Math.max(0, Math.ceil((retryAt - Date.now()) / 1000));
  setText("countdown", state === "paused" ? `Trying again in ${seconds} s` : "");
}
