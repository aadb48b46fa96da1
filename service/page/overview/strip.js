// The strip of thumbnails: each picture with the number of its detections; one is selected.

import { $, element, on } from "../elements.js";
import { ORDERS, Order } from "./order.js";
import { thumbnailOf } from "./thumbnail.js";
import { Views } from "./views.js";

/** A picture's state in words. */
export const WORDS = { waiting: "waiting", running: "in progress", failed: "failed", done: "done" };

export function mountStrip(page) {
  const { pictures } = page;
  const order = new Order();
  const views = new Views($("thumbs"), (picture) => new View(picture));
  let current = null;
  $("order").replaceChildren(...Object.entries(ORDERS).map(([key, { title }]) => new Option(title, key)));
  on("order", "change", () => page.request());
  on("thumbs", "click", ({ target }) => {
    const [picture, view] = views.around(target.closest("button"));
    if (view?.remover.contains(target)) remove(page, picture);
    else if (picture) pictures.select(picture);
    page.request();
  });
  on("clear", "click", () => {
    pictures.clear();
    page.drawNow(); // now, because a hidden button takes no focus
    focusPicture();
  });
  page.addPart(() => {
    const { list, selected } = pictures;
    $("welcome").hidden = list.length > 0;
    $("strip").hidden = !selected;
    for (const part of document.querySelectorAll(".of-many")) part.hidden = list.length < 2;
    const key = $("order").value;
    pictures.shown = order.arrange(list, key, valueBy(key, page), false, page.isSettled());
    views.arrange(pictures.shown);
    for (const picture of pictures.shown) views.get(picture).show(page.summaryOf(picture), picture === selected);
    if (selected && selected !== current) scrollTo(views.get(selected).item);
    current = selected;
  });
}

/** A function of a picture -> its value in an order, null if there is none; null for the order of the list. */
function valueBy(key, page) {
  const { valueOf } = ORDERS[key];
  return valueOf && ((picture) => (page.summaryOf(picture) ? valueOf(page.summaryOf(picture)) : null));
}

/** Remove a picture; the focus goes to the one beside it, or to the welcome if it was the last. */
export function remove(page, picture) {
  const neighbour = page.pictures.remove(picture);
  page.drawNow();
  focusPicture(page.pictures.shown.indexOf(neighbour));
}

/** Focus the thumbnail at this place; if there is none, the selected one, or the welcome if there are no pictures. */
export function focusPicture(place = -1) {
  const chosen = $("thumbs").children[place]?.firstChild ?? $("thumbs").querySelector("[aria-current=true]");
  (chosen ?? document.querySelector("#welcome button")).focus({ preventScroll: place >= 0 });
}

/** Bring an item into the middle of the strip, without moving the page. */
function scrollTo({ offsetLeft, offsetWidth }) {
  $("thumbs").scrollTo({ left: offsetLeft + offsetWidth / 2 - $("thumbs").clientWidth / 2 });
}

/** A picture's place in the strip. */
class View {
  #shown = [];

  constructor(picture) {
    this.picture = picture;
    this.button = element("button", { type: "button", className: "thumb" }, thumbnailOf(picture.file));
    this.badge = element("span", { ariaHidden: "true" });
    this.remover = element("button", { type: "button", className: "remove", textContent: "×" });
    this.remover.title = this.remover.ariaLabel = `Remove ${picture.file.name}`;
    this.item = element("li", {}, this.button, this.badge, this.remover);
  }

  show(summary, isSelected) {
    const { file, state } = this.picture;
    const shown = [state, summary, isSelected];
    if (shown.every((value, index) => value === this.#shown[index])) return;
    this.#shown = shown;
    const badge = state === "failed" ? "!" : (summary?.count ?? "…");
    const words = summary ? `${badge} ${badge === 1 ? "detection" : "detections"}` : WORDS[state];
    this.button.title = this.button.ariaLabel = `${file.name}: ${words}`;
    this.button.ariaCurrent = String(isSelected);
    this.button.tabIndex = this.remover.tabIndex = isSelected ? 0 : -1; // the arrow keys reach the others
    Object.assign(this.badge, { textContent: badge, className: state === "failed" ? "count bad" : "count" });
  }
}
