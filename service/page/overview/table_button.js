// The button that opens the table of all pictures; its module comes with the first click.

import { $, on } from "../elements.js";

export function mountTableButton(page) {
  let table = null;
  on("show-all", "click", async () => {
    const isOpen = $("all").hidden;
    $("show-all").ariaExpanded = String(isOpen);
    table ??= import("./table.js").then(({ mountTable }) => mountTable(page));
    await table;
    page.request();
  });
  page.addPart(({ pictures: { list } }) => {
    $("all").hidden = $("show-all").ariaExpanded !== "true" || list.length < 2;
  });
}
