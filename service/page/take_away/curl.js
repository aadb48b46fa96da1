// The command line that asks the server for the same detections as the page.

import { detectQuery } from "../detections/settings.js";
import { $, on, setText } from "../elements.js";
import { hasKey } from "../server/client.js";

export function mountCurl(page) {
  on("copy", "click", copyCurl);
  page.addPart(({ models, pictures }) => showCurl(models, pictures.selected));
}

/** The command for `picture`; for a picture of any name if it is null. */
function showCurl(models, picture) {
  const parameters = detectQuery(models.chosen, models.list.length > 1 ? models.named() : {});
  const address = new URL(`detect${parameters ? `?${parameters}` : ""}`, document.baseURI).href;
  const key = hasKey() ? ' -H "X-API-Key: $API_KEY"' : "";
  const name = picture?.file.name ?? "picture.jpg";
  setText("curl", `curl --data-binary @${/^[\w.-]+$/.test(name) ? name : quoted(name)}${key} ${quoted(address)}`);
}

function quoted(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

async function copyCurl() {
  const selection = getSelection();
  selection.selectAllChildren($("curl"));
  try {
    await navigator.clipboard.writeText($("curl").textContent);
  } catch {
    if (!document.execCommand("copy")) return; // the text stays selected, so that the visitor can copy it
  }
  selection.removeAllRanges();
  $("copy").textContent = "Copied";
  setTimeout(() => ($("copy").textContent = "Copy"), 1500);
}
