// The message at the bottom of the page about what is saved: how far it is, a button that ends it, and what became of it.

import { $, on, setText } from "../elements.js";

const SECONDS = 5; // for which a message stays
let controller = new AbortController();
let timer;

export function mountTaking() {
  on("taking-cancel", "click", () => {
    controller.abort();
    finish("Cancelled.");
  });
}

/** Begin what takes a while; an earlier one ends -> an AbortSignal, which the visitor's Cancel aborts. */
export function begin(text) {
  controller.abort();
  controller = new AbortController();
  showProgress(text);
  setText("taking-announcement", text);
  $("taking-progress").removeAttribute("value");
  return controller.signal;
}

/** Show how far it is; a screen reader hears the beginning and the end only. */
export function proceed(text, done, total) {
  showProgress(text);
  $("taking-progress").max = total;
  $("taking-progress").value = done;
}

/** Show a last message for some seconds. */
export function finish(text) {
  if (document.activeElement === $("taking-cancel")) $("save-all").querySelector("summary").focus();
  $("taking-progress").hidden = $("taking-cancel").hidden = true;
  show(text);
  setText("taking-announcement", text);
  clearTimeout(timer);
  timer = setTimeout(dismiss, 1000 * SECONDS);
}

/** Hide a last message. */
export function dismiss() {
  if (!$("taking-cancel").hidden) return; // something goes on
  clearTimeout(timer);
  $("taking").hidden = true;
  setText("taking-announcement", ""); // so that the same message is heard again
}

function showProgress(text) {
  clearTimeout(timer);
  $("taking-progress").hidden = $("taking-cancel").hidden = false;
  show(text);
}

function show(text) {
  $("taking").hidden = false;
  setText("taking-text", text);
}
