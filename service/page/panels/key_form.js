// The form that asks for the API key after the server has refused a request without one.

import { $, setText } from "../elements.js";
import { hasKey, keepKey } from "../server/client.js";

let opener = null; // what had the focus before the form took it
let goOn = null; // what waits for a key

/** Keep each key that the form is given, and call `onKey()` after it. */
export function offerKeyForm(onKey) {
  $("key-form").addEventListener("submit", (event) => {
    event.preventDefault();
    keepKey($("key").value.trim());
    $("key").value = "";
    $("key-form").hidden = true;
    (opener?.checkVisibility() && opener !== document.body ? opener : $("pictures")).focus();
    onKey();
    goOn?.();
    goOn = null;
  });
}

/** Show the form; `onKey()`, if given, is called after the next key. */
export function askForKey(onKey = goOn) {
  goOn = onKey;
  if (!$("key-form").hidden) return;
  $("key-form").hidden = false;
  setText("key-trouble", hasKey() ? "The server does not know that key." : "");
  opener = document.activeElement;
  $("key").focus();
}
