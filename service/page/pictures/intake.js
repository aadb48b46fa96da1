// How pictures come in: the visitor chooses, drops, pastes or takes them.

import { $, on, setText } from "../elements.js";
import { onceLoaded } from "../part.js";
import { showExamples } from "./examples.js";
import { filesOf } from "./files.js";

export function mountIntake(page) {
  for (const button of document.querySelectorAll(".choose")) button.addEventListener("click", () => $("file").click());
  for (const id of ["file", "camera-file"]) {
    on(id, "change", () => {
      page.add([...$(id).files]);
      $(id).value = "";
    });
  }
  for (const kind of ["dragover", "dragleave", "drop"]) {
    document.addEventListener(kind, async (event) => {
      event.preventDefault();
      document.body.classList.toggle("over", kind === "dragover");
      if (kind === "drop") page.add(await filesOf(event.dataTransfer));
    });
  }
  document.addEventListener("paste", (event) => page.add([...event.clipboardData.files]));
  offerCamera((file) => page.add([file]));
  page.addPart(({ pictures: { list } }) => {
    // on a slow network a picture may come before the parts that show it
    setText("coming", list.length && $("work").ariaBusy ? "Loading the view of your pictures…" : "");
  });
  page.onModel((model) => showExamples(model, (file) => page.add([file])));
}

/** If there is a camera, show the buttons for it; each picture that is taken goes, as a File, to `onPicture`. */
async function offerCamera(onPicture) {
  const load = onceLoaded(async () => (await import("./camera.js")).makeCamera(onPicture));
  // without https a browser shows no page what a camera sees, but a phone's file chooser can still take pictures
  const devices = (await navigator.mediaDevices?.enumerateDevices().catch(() => [])) ?? [];
  const isShown = devices.some(({ kind }) => kind === "videoinput");
  for (const button of document.querySelectorAll(".camera")) {
    button.hidden = !isShown && !matchMedia("(pointer: coarse)").matches;
    button.addEventListener("click", async () => (isShown ? (await load())?.open() : $("camera-file").click()));
  }
}
