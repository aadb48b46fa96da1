// The keys and the buttons that go from picture to picture, and the key that removes one.

import { $, on } from "../elements.js";
import { focusPicture, remove } from "./strip.js";

const STEPS = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity };
// elements that use these keys themselves
const OTHERS = "input, select, textarea, summary, dialog, pre, .scroll, .menu, [contenteditable], [role=tab]";

export function mountKeys(page) {
  addEventListener("keydown", (event) => {
    const { target, key } = event;
    const isOurs = !event.defaultPrevented && !target.closest?.(OTHERS);
    if (!isOurs || !page.pictures.selected || event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
    if (key in STEPS && page.pictures.list.length > 1) {
      event.preventDefault();
      step(page, STEPS[key]);
    } else if (key === "Delete" || (key === "Backspace" && $("thumbs").contains(target))) {
      event.preventDefault();
      remove(page, page.pictures.selected);
    }
  });
  on("previous", "click", () => step(page, -1));
  on("next", "click", () => step(page, 1));
  page.addPart(({ pictures }) => {
    const { selected } = pictures;
    $("previous").ariaDisabled = String(pictures.near(selected, -1) === selected); // disabled would lose the focus
    $("next").ariaDisabled = String(pictures.near(selected, 1) === selected);
  });
}

function step(page, steps) {
  const isInStrip = $("thumbs").contains(document.activeElement);
  page.pictures.select(page.pictures.near(page.pictures.selected, steps));
  page.drawNow();
  if (isInStrip) focusPicture();
}
