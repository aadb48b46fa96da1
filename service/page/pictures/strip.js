// The strip of thumbnails: each picture with the number of its detections; one is selected.

import { $, element, on } from "../elements.js";

export function mountStrip(page) {
  const { pictures } = page;
  on("thumbs", "click", (event) => {
    pictures.select(event.target.closest("button")?.dataset.picture);
    page.request();
  });
  on("clear", "click", () => {
    pictures.clear();
    page.drawNow(); // now, because a hidden button takes no focus
    document.querySelector("#welcome button").focus();
  });
  page.addPart(() => {
    $("welcome").hidden = pictures.list.length > 0;
    $("strip").hidden = !pictures.selected;
    showThumbs(pictures, (picture) => page.detectionsOf(picture)?.length);
  });
}

function showThumbs({ list, selected }, countOf) {
  const items = list.map((picture, index) => {
    const badge = picture.answer ? String(countOf(picture)) : picture.state === "failed" ? "!" : "…";
    const name = `${picture.file.name}: ${picture.answer ? `${badge} detections` : picture.state}`;
    picture.thumb ??= element("img", { src: picture.url, alt: "", onerror: ({ target }) => (target.hidden = true) });
    const ariaCurrent = String(picture === selected);
    const button = element("button", { type: "button", title: name, ariaLabel: name, ariaCurrent });
    button.dataset.picture = index;
    button.append(picture.thumb);
    const className = picture.state === "failed" ? "count bad" : "count";
    return element("li", {}, button, element("span", { className, textContent: badge, ariaHidden: "true" }));
  });
  const focused = document.activeElement?.dataset.picture;
  $("thumbs").replaceChildren(...items);
  if (focused !== undefined) $("thumbs").querySelector(`[data-picture="${focused}"]`)?.focus();
}
