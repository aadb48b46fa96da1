// What was removed, and the button that takes it back; and which files were left out because they are no pictures.

import { $, on, setText } from "../elements.js";
import { focusPicture } from "./strip.js";

const MOST_NAMES = 3;

export function mountNotice(page) {
  const react = (change) => () => {
    change();
    page.drawNow(); // now, because the notice and its buttons go away
    focusPicture();
  };
  on("undo", "click", react(() => page.pictures.undo()));
  on("dismiss", "click", react(() => page.pictures.forget()));
  page.addPart(({ pictures: { removal, leftOut } }) => {
    const words = removal ? wordsOfRemoval(removal) : leftOut.length ? wordsOfFiles(leftOut) : "";
    $("undo").hidden = !removal;
    $("dismiss").hidden = !words;
    $("notice").classList.toggle("none", !words);
    setText("notice-text", words);
  });
}

function wordsOfRemoval({ isAll, entries }) {
  if (!isAll && entries.length === 1) return `${entries[0].picture.file.name} removed.`;
  return `${entries.length} ${entries.length === 1 ? "picture" : "pictures"} ${isAll ? "cleared" : "removed"}.`;
}

function wordsOfFiles(names) {
  const more = names.length - MOST_NAMES;
  const some = names.slice(0, MOST_NAMES).join(", ") + (more > 0 ? ` and ${more} more` : "");
  return names.length === 1
    ? `1 file is not a picture and was left out: ${some}.`
    : `${names.length} files are not pictures and were left out: ${some}.`;
}
