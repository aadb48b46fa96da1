// Parts of the page that are loaded at their first use.

import { $, setText } from "./elements.js";

const TROUBLE = "The server does not answer, and the page has not loaded this part before. Try again when it is back.";

/** A function that loads a part, `open()` -> promise, one time; it gives null and tells the visitor if that fails. */
export function onceLoaded(open) {
  let loading = null;
  return async () => {
    loading ??= open();
    const part = await loading.catch(() => (loading = null));
    setText("part-trouble", part ? "" : TROUBLE);
    $("part-trouble").hidden = Boolean(part);
    return part;
  };
}
