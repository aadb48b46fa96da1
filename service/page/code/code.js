// The same request as code: a tab for each language, and a button that copies it.

import { chooseTab } from "../controls/tabs.js";
import { differingParameters } from "../detections/settings.js";
import { $, on, setText } from "../elements.js";
import { hasKey } from "../server/client.js";
import { copy } from "../take_away/clipboard.js";
import { curlOf } from "./curl.js";
import { javascriptOf } from "./javascript.js";
import { pythonOf } from "./python.js";

const LANGUAGES = { curl: curlOf, python: pythonOf, javascript: javascriptOf };
const CHOICE = "singleshot-language"; // in localStorage: the next visit begins with it

export function mountCode(page) {
  for (const language of Object.keys(LANGUAGES)) {
    on(`${language}-tab`, "click", ({ target }) => {
      chooseTab(target);
      localStorage.setItem(CHOICE, language);
    });
    const button = $(`${language}-panel`).querySelector("button");
    button.addEventListener("click", () => copyFrom(language, button));
  }
  const kept = localStorage.getItem(CHOICE);
  if (kept in LANGUAGES) chooseTab($(`${kept}-tab`));
  page.addPart(() => {
    const request = requestOf(page);
    for (const [language, codeOf] of Object.entries(LANGUAGES)) setText(language, codeOf(request));
  });
}

/** The request for the selected picture; for a picture of any name if there is none. */
function requestOf({ models, pictures }) {
  const named = models.list.length > 1 ? models.named() : {};
  return {
    base: new URL(".", document.baseURI).href.replace(/\/$/, ""),
    path: pictures.selected?.file.name ?? "picture.jpg",
    parameters: { ...named, ...differingParameters(models.chosen) },
    needsKey: hasKey(),
  };
}

async function copyFrom(language, button) {
  if (await copy($(language).textContent)) {
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = "Copy"), 1500);
  } else {
    getSelection().selectAllChildren($(language)); // the visitor can copy the selected text
  }
}
