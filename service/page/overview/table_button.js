// The button that opens the table of all pictures; its module comes with the first click.

import { $, on } from "../elements.js";
import { onceLoaded } from "../part.js";

export function mountTableButton(page) {
  const load = onceLoaded(async () => {
    (await import("./table.js")).mountTable(page);
    return true;
  });
  on("show-all", "click", async () => {
    const isOpen = $("all").hidden && Boolean(await load());
    $("show-all").ariaExpanded = String(isOpen);
    page.request();
  });
  page.addPart(({ pictures: { list } }) => {
    $("all").hidden = $("show-all").ariaExpanded !== "true" || list.length < 2;
  });
}
