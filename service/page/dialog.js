// Large dialogs that are made at their first use, each with a stylesheet of its own.

import { element } from "./elements.js";
import { loadStylesheet } from "./stylesheet.js";

/**
 * Make the dialog `name` with its title, a button that closes it and an empty body -> {dialog, heading, body}.
 * Its stylesheet style/`name`.css is there when the promise is fulfilled.
 */
export async function makeDialog(name, title) {
  await loadStylesheet(name);
  const heading = element("h2", { id: `${name}-title`, textContent: title });
  const close = element("button", { type: "button", className: "close", textContent: "Close" });
  const body = element("div", { className: `${name} dialog-body` });
  const dialog = element("dialog", { id: `${name}-dialog`, className: "dialog wide" });
  dialog.setAttribute("aria-labelledby", heading.id);
  dialog.append(element("header", {}, heading, close), body);
  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close()); // beside it
  document.body.append(dialog);
  return { dialog, heading, body };
}
