// The elements of the live view: the video with its boxes, and what the visitor does with it.

import { element } from "../elements.js";

/** Make the section and put it before the pictures -> its elements by their names. */
export function makeStage() {
  const button = (textContent, more = {}) => element("button", { type: "button", textContent, ...more });
  const parts = {
    section: element("section", { id: "live", className: "live", hidden: true }),
    video: element("video", { playsInline: true, muted: true }),
    canvas: element("canvas"),
    numbers: element("p", { className: "numbers" }),
    counts: element("ul", { className: "counts", ariaLabel: "Detections in the last frame" }),
    notice: element("p", { className: "live-notice", role: "status" }),
    labels: element("input", { type: "checkbox", checked: true }),
    camera: element("select", { ariaLabel: "Camera" }),
    play: button("Pause"),
    shot: button("Take picture"),
    file: element("input", { type: "file", accept: "video/*", hidden: true }),
    choose: button("Choose a video"),
    close: button("Close"),
    player: element("div", { className: "player row", role: "group", ariaLabel: "Video", hidden: true }),
    back: button("‹", { ariaLabel: "Previous frame" }),
    forth: button("›", { ariaLabel: "Next frame" }),
    time: element("input", { type: "range", min: 0, step: "any", ariaLabel: "Time" }),
    clock: element("output", { ariaLive: "off" }),
    each: element("input", { type: "checkbox" }),
    save: button("Save as JSON"),
  };
  const named = (input, text) => element("label", { className: "switch" }, input, ` ${text}`);
  parts.frame = element("div", { className: "view live-view" }, parts.video, parts.canvas);
  const tools = element("div", { className: "row" }, parts.camera, named(parts.labels, "Labels"));
  tools.append(parts.play, parts.shot, parts.choose, parts.close, parts.file);
  parts.player.append(parts.back, parts.forth, parts.time, parts.clock, named(parts.each, "Every frame"), parts.save);
  parts.section.setAttribute("aria-label", "Live video");
  parts.section.append(
    element("div", { className: "bar" }, parts.numbers, tools),
    parts.notice,
    parts.frame,
    parts.player,
    parts.counts,
  );
  document.getElementById("welcome").before(parts.section);
  return parts;
}
