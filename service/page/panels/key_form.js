// The form that asks for the API key after the server has refused a request without one.

import { $, setText } from "../elements.js";
import { hasKey, keepKey } from "../server/client.js";

/** Keep each key that the form is given, and call `onKey()` after it. */
export function offerKeyForm(onKey) {
  $("key-form").addEventListener("submit", (event) => {
    event.preventDefault();
    keepKey($("key").value.trim());
    $("key").value = "";
    $("key-form").hidden = true;
    onKey();
  });
}

export function askForKey() {
  if (!$("key-form").hidden) return;
  $("key-form").hidden = false;
  setText("key-trouble", hasKey() ? "The server does not know that key." : "");
  $("key").focus();
}
