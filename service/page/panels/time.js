// The panel of time: how long each stage of the selected picture's answer took.

import { $, element, setText } from "../elements.js";

export const STAGES = {
  decode: ["Decode", "#56b4e9"],
  queue: ["Queue", "#f0e442"],
  infer: ["Infer", "#e69f00"],
  postprocess: ["Postprocess", "#cc79a7"],
  network: ["Network & rest", "#8b949e"],
};

export function mountTime(page) {
  page.addPart(({ pictures: { selected } }) => {
    $("time").hidden = !selected?.answer;
    if (selected?.answer) draw(selected.answer);
  });
}

function draw({ stages, scores, views, rankMilliseconds }) {
  const total = stages.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
  setText("time-total", `${total.toFixed(0)} ms`);
  const parts = stages.map(({ name, milliseconds }) => [...(STAGES[name] ?? [name, "#8b949e"]), milliseconds]);
  const segments = parts.map(([, colour, milliseconds]) =>
    element("i", { style: { "--stage": colour, "flex-grow": milliseconds } }),
  );
  const lines = parts.map(([name, colour, milliseconds]) => {
    const mark = element("i", { className: "swatch", style: { "--stage": colour } });
    return element("div", {}, element("dt", {}, mark, name), element("dd", {}, `${milliseconds.toFixed(1)} ms`));
  });
  $("time-bar").replaceChildren(...segments);
  $("time-stages").replaceChildren(...lines);
  setText("run-note", runOf(stages, views));
  setText("rank-note", `NMS of ${scores.length} candidates in this browser: ${rankMilliseconds.toFixed(1)} ms`);
}

/** For example “57 views of the picture, up to 8 in a batch”. */
function runOf(stages, views) {
  const { description = "" } = stages.find(({ name }) => name === "infer") ?? {};
  const batch = description.match(/^batch of (\d+)$/)?.[1];
  if (!(views > 1)) return batch ? `In a batch of ${batch}` : "";
  const together = batch === "1" ? ", one at a time" : batch ? `, up to ${batch} in a batch` : "";
  return `${views} views of the picture${together}`;
}
