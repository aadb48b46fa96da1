// The keys and the buttons that go from picture to picture, and the key that removes one.

import { $, on } from "../elements.js";
import { focusPicture, remove } from "./strip.js";

const STEPS = { ArrowLeft: -1, ArrowRight: 1 };
const STRIP_STEPS = { ...STEPS, Home: -Infinity, End: Infinity }; // elsewhere these scroll the page
// elements that use these keys themselves
const OTHERS = "input, select, textarea, summary, dialog, pre, .scroll, .menu, [contenteditable], [role=tab]";

export function mountKeys(page) {
  addEventListener("keydown", (event) => {
    const { target, key } = event;
    const isOurs = !event.defaultPrevented && !target.closest?.(OTHERS);
    if (!isOurs || !page.pictures.selected || event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
    const isInStrip = $("thumbs").contains(target);
    const steps = (isInStrip ? STRIP_STEPS : STEPS)[key];
    const isRemoval = key === "Delete" || (key === "Backspace" && isInStrip);
    if (steps && page.pictures.list.length > 1) step(page, steps);
    else if (isRemoval && (isInStrip || target === document.body || target === $("figure"))) {
      remove(page, page.pictures.selected);
    } else return;
    event.preventDefault();
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
