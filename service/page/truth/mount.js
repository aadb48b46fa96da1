// Takes files of ground truth; the rest of their room is loaded when the first of them comes.

import { $, element, on } from "../elements.js";
import { onceLoaded } from "../part.js";
import { TRUTH_FILES, isTruth } from "./kind.js";

export function mountTruth(page) {
  const files = []; // that are not read yet
  const load = onceLoaded(async () => (await import("./panel.js")).showTruth(page));
  const read = async () => {
    page.truth ??= await load();
    await page.truth?.add(files.splice(0, page.truth ? files.length : 0));
    page.request();
  };
  page.onOtherFile((file) => {
    if (!isTruth(file)) return false;
    files.push(file);
    if (files.length === 1) setTimeout(read); // after all files that come together
    return true;
  });
  const chooser = element("input", { id: "truth-file", type: "file", accept: TRUTH_FILES, multiple: true });
  chooser.hidden = true;
  document.body.append(chooser);
  chooser.addEventListener("change", () => {
    page.add([...chooser.files]);
    chooser.value = "";
  });
  on("choose-truth", "click", () => $("truth-file").click());
}
