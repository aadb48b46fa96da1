// What went wrong with the selected picture, and a button that sends it again.

import { $, on, sentence, setText } from "../elements.js";

export function mountProblem(page) {
  on("retry", "click", () => {
    page.pictures.resend([page.pictures.selected]);
    page.drawNow(); // now, because the button goes away
    $("thumbs").querySelector("[aria-current=true]").focus();
  });
  page.addPart(({ pictures: { selected } }) => draw(selected?.problem));
}

function draw(problem) {
  $("problem").hidden = !problem;
  if (!problem) return;
  setText("problem-title", `${problem.title}.`);
  setText("problem-detail", sentence(problem.message));
  $("again").hidden = problem.isFinal;
}
