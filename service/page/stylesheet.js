// The style sheets of parts that are loaded at their first use.

import { element } from "./elements.js";

const LAST = document.querySelector('link[href$="preferences.css"]'); // it must overrule all others

/** Load style/`name`.css; a page without it is still usable, so a failure is no error. */
export async function loadStylesheet(name) {
  const link = element("link", { rel: "stylesheet", href: `page/style/${name}.css` });
  await new Promise((resolve) => {
    link.onload = link.onerror = resolve;
    document.head.insertBefore(link, LAST);
  });
}
