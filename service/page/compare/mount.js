// Starts and ends a comparison; the rest of its room is loaded at the first start.

import { $, on, setText } from "../elements.js";
import { onceLoaded } from "../part.js";

export function mountCompare(page) {
  const load = onceLoaded(async () => (await import("./room.js")).openRoom(page));
  on("compare", "click", async () => (await load())?.toggle());
  page.addPart(() => {
    const isOn = document.querySelector("main").classList.contains("comparing");
    setText("compare", isOn ? "End the comparison" : "Another model or settings");
  });
}
