// Why the pictures wait, and when they are sent again: one notice for all of them.

import { $, on, sentence, setText } from "../elements.js";

export function mountPause(page) {
  on("try-now", "click", () => page.pictures.queue.tryNow());
  page.addPart(({ pictures: { queue } }) => {
    const { pause } = queue;
    const { numWaiting } = queue;
    const isShown = Boolean(pause) && pause.kind !== "key" && numWaiting > 0;
    const isFocused = document.activeElement === $("try-now");
    $("pause").classList.toggle("none", !isShown);
    setText("pause-text", isShown ? wordsOf(pause, numWaiting) : "");
    if (isShown) setText("countdown", countdown(pause));
    else if (isFocused) $("thumbs").querySelector("[aria-current=true]")?.focus();
  });
}

function wordsOf({ kind, problem }, numWaiting) {
  const waiting = numWaiting === 1 ? "1 picture waits" : `${numWaiting} pictures wait`;
  if (kind === "busy") return `The server is busy; ${waiting}. ${sentence(problem.message)}`;
  return `${navigator.onLine ? "The server does not answer" : "This device is offline"}; ${waiting}.`;
}

function countdown({ isTrying, retryAt }) {
  return isTrying ? "Trying now…" : `Trying again in ${Math.max(1, Math.ceil((retryAt - Date.now()) / 1000))} s`;
}
