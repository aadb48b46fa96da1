// How pictures come in: the visitor chooses, drops, pastes or takes them.

import { $, on } from "../elements.js";
import { offerCamera } from "./camera.js";
import { showExamples } from "./examples.js";
import { filesOf } from "./files.js";

export function mountIntake(page) {
  for (const button of document.querySelectorAll(".choose")) button.addEventListener("click", () => $("file").click());
  on("file", "change", () => {
    page.add([...$("file").files]);
    $("file").value = "";
  });
  for (const kind of ["dragover", "dragleave", "drop"]) {
    document.addEventListener(kind, async (event) => {
      event.preventDefault();
      document.body.classList.toggle("over", kind === "dragover");
      if (kind === "drop") page.add(await filesOf(event.dataTransfer));
    });
  }
  document.addEventListener("paste", (event) => page.add([...event.clipboardData.files]));
  offerCamera(document.querySelectorAll(".camera"), (file) => page.add([file]));
  page.onModel((model) => showExamples(model, (file) => page.add([file])));
}
