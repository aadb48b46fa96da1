// The buttons that open the live view, whose modules are loaded then. It also takes the video files that come.

import { onceLoaded } from "../part.js";

export function mountLive(page) {
  const load = onceLoaded(async () => (await import("./live.js")).makeLive(page));
  const open = async (file) => (await load())?.open(file);
  for (const button of document.querySelectorAll(".live-open")) button.addEventListener("click", () => open(null));
  page.onOtherFile((file) => {
    const isVideo = file.type.startsWith("video/");
    if (isVideo) open(file);
    return isVideo;
  });
}
