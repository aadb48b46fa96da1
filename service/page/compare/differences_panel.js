// The panel of the differences: their counts, and a list of those in the selected picture.

import { $, element, on, setText } from "../elements.js";
import { KINDS, countKinds } from "./differences.js";
import { LOOKS } from "./looks.js";

const MOST = 200; // entries of the list
const HTML = `
  <details id="differences" class="panel" open>
    <summary>Differences <span id="differences-short" class="quiet" role="status"></span></summary>
    <div class="columns">
      <div>
        <table><thead><tr><th scope="col">Kind</th><th scope="col">This picture</th><th scope="col" id="differences-all">All pictures</th></tr></thead><tbody id="difference-counts"></tbody></table>
        <p class="row"><button type="button" id="next-different">Next picture that differs</button></p>
      </div>
      <ul id="difference-list" aria-label="Differences in this picture"></ul>
    </div>
  </details>`;

/** Add the panel to the page; `goTo(entry)` is called with the difference that the visitor chooses. */
export function addDifferences(page, comparison, goTo) {
  $("strip").insertAdjacentHTML("afterend", HTML);
  on("difference-list", "click", ({ target }) => {
    const index = target.closest("button")?.dataset.difference;
    if (index !== undefined) goTo(comparison.differencesOf(page.pictures.selected)[index]);
  });
  on("next-different", "click", () => {
    const next = nextDifferent(page.pictures, comparison);
    if (next) page.pictures.select(next);
    page.request();
  });
}

export function drawDifferences(page, comparison) {
  const { list, selected } = page.pictures;
  const all = comparison.differencesOfAll(list);
  const one = selected && comparison.differencesOf(selected);
  const [ofOne, ofAll] = [countKinds(one ? [one] : []), countKinds(all)];
  const rows = KINDS.map((kind) => {
    const name = element("th", { scope: "row", className: LOOKS[kind].look }, signed(kind));
    const counts = [one ? ofOne[kind] : "…", ofAll[kind]];
    return element("tr", {}, name, ...counts.map((count) => element("td", { textContent: count })));
  });
  $("difference-counts").replaceChildren(...rows);
  const isWhole = all.length === list.length;
  setText("differences-all", isWhole ? "All pictures" : `${all.length} of ${list.length} pictures`);
  const short = KINDS.filter((kind) => ofAll[kind]).map((kind) => `${ofAll[kind]} ${LOOKS[kind].name}`);
  setText("differences-short", all.length ? short.join(", ") || "nothing found" : "");
  $("next-different").hidden = list.length < 2;
  $("next-different").disabled = !nextDifferent(page.pictures, comparison);
  if (selected) showList(one ?? [], page.detectionsOf(selected), comparison.detectionsOf(selected), page, comparison);
}

/** The differences as buttons; the focused one keeps the focus. */
function showList(list, left, right, page, comparison) {
  const names = [page.models.chosen.classes, comparison.model.classes];
  const entries = [...list.entries()].filter(([, { kind }]) => kind !== "same");
  const items = entries.slice(0, MOST).map(([index, entry]) => {
    const text = wordsOf(entry, left, right, names);
    const button = element("button", { type: "button", className: LOOKS[entry.kind].look, textContent: text });
    button.dataset.difference = index;
    return element("li", {}, button);
  });
  const numMore = entries.length - MOST;
  if (numMore > 0) items.push(element("li", { className: "quiet", textContent: `and ${numMore} more` }));
  const texts = (nodes) => [...nodes].map(({ textContent }) => textContent).join("\n");
  if (texts($("difference-list").children) === texts(items)) return;
  const focused = document.activeElement?.dataset.difference;
  $("difference-list").replaceChildren(...items);
  const again = $("difference-list").querySelector(`[data-difference="${focused}"]`);
  if (focused !== undefined) (again ?? $("figure")).focus();
}

/** For example “↔ moved: RBC 0.91 → 0.88, IoU 0.74”. */
function wordsOf({ kind, left, right, iou }, ours, theirs, [leftNames, rightNames]) {
  const a = left === null ? "" : `${leftNames[ours[left].label]} ${ours[left].score.toFixed(2)}`;
  const b = right === null ? "" : `${rightNames[theirs[right].label]} ${theirs[right].score.toFixed(2)}`;
  const change = kind === "relabelled" ? b : b.split(" ").at(-1);
  const pair = a && b ? `${a} → ${change}` : a || b;
  return `${signed(kind)}: ${pair}${kind === "moved" ? `, IoU ${iou.toFixed(2)}` : ""}`;
}

const signed = (kind) => [LOOKS[kind].sign, LOOKS[kind].name].filter(Boolean).join(" ");

/** The next picture after the selected one that has differences, in the order that the page shows; null if none has. */
function nextDifferent({ shown, selected }, comparison) {
  const start = shown.indexOf(selected) + 1;
  const others = [...shown.slice(start), ...shown.slice(0, Math.max(0, start - 1))];
  return others.find((picture) => comparison.lastOf(picture)?.some(({ kind }) => kind !== "same")) ?? null;
}
