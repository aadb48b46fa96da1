// How the kinds of differences are marked and named.

export const LOOKS = {
  left: { sign: "◀", look: "only-left", name: "only left" },
  right: { sign: "▶", look: "only-right", name: "only right" },
  relabelled: { sign: "≠", look: "relabelled", name: "other class" },
  moved: { sign: "↔", look: "moved", name: "moved" },
  score: { sign: "±", look: "rescored", name: "other score" },
  same: { sign: undefined, look: "same", name: "same" },
};

/** The detections of one side, "left" or "right", with the signs and the looks of their differences. */
export function marked(detections, list, side) {
  const boxes = detections.map((found) => ({ ...found }));
  for (const entry of list) {
    const { sign, look } = LOOKS[entry.kind];
    if (entry[side] !== null) Object.assign(boxes[entry[side]], { sign, look });
  }
  return boxes;
}
