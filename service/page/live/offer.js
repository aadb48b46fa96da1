// The buttons that open the live view, whose modules are loaded then. It also takes the video files that come.

export function mountLive(page) {
  const open = async (file) => (await import("./live.js")).openLive(page, file);
  for (const button of document.querySelectorAll(".live-open")) button.addEventListener("click", () => open(null));
  page.onOtherFile?.((file) => {
    const isVideo = file.type.startsWith("video/");
    if (isVideo) open(file);
    return isVideo;
  });
}
