// Parts of the page that are loaded at their first use.

import { $, setText } from "./elements.js";

const TROUBLE = "The server does not answer, and the page has not loaded this part before. Try again when it is back.";

/**
 * A function that loads a part, one time: `open()` imports modules -> promise of the part. If an import fails, it gives
 * null and tells the visitor.
 */
export function onceLoaded(open) {
  let loading = null;
  return async () => {
    loading ??= open();
    const part = await loading.catch((error) => {
      if (!isFailedImport(error)) throw error;
      return (loading = null);
    });
    setText("part-trouble", part ? "" : TROUBLE);
    $("part-trouble").hidden = Boolean(part);
    if (!part) $("part-trouble").scrollIntoView({ block: "nearest" }); // its button may be far below
    return part;
  };
}

/** Whether an import failed, and not the code that was imported; each browser has its own words for it. */
export function isFailedImport({ message }) {
  return /import|module/i.test(message);
}
