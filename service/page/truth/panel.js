// The panel of the ground truth: how many objects are hit and missed, and what the files say.

import { $, element, on, setText, setTextOf } from "../elements.js";
import { loadStylesheet } from "../stylesheet.js";
import { settings, wantedLabels } from "../detections/settings.js";
import { Judgement, judgedBoxes } from "./judgement.js";
import { notesOf } from "./notes.js";
import { showCounts } from "./table.js";
import { Truth } from "./truth.js";
import { countsByLabel, rates, summed } from "./verdicts.js";

const MOST_FAULTS = 8; // that are shown
const HTML = `
  <details id="truth" open>
    <summary>Ground truth <span id="truth-short" class="quiet"></span></summary>
    <div id="truth-faults" role="alert"></div>
    <div id="truth-measures">
      <div class="row">
        <div class="segments two" role="radiogroup" aria-label="Counted pictures">
          <label><input type="radio" name="truth-part" value="one" checked><span>This picture</span></label>
          <label><input type="radio" name="truth-part" value="all"><span>All pictures</span></label>
        </div>
        <label class="field"><span>IoU of a hit</span><output for="truth-iou"></output>
          <input type="range" id="truth-iou" min="0.1" max="0.95" step="0.05" value="0.5"></label>
        <p class="legend quiet"><span class="hit">✓ hit</span> <span class="false">✕ false alarm</span> <span class="miss">missed</span></p>
      </div>
      <table><thead><tr><th scope="col">Class</th><th scope="col">Hits</th><th scope="col">Missed</th><th scope="col">False</th><th scope="col">Precision</th><th scope="col">Recall</th><th scope="col">F1</th></tr></thead><tbody id="truth-rows"></tbody></table>
    </div>
    <div id="truth-notes" class="quiet" role="status"></div>
    <p class="row"><button type="button" id="truth-add">Add files</button><button type="button" id="truth-remove">Remove ground truth</button></p>
  </details>`;

/** Add the panel to the page, without ground truth -> its Truth. */
export async function showTruth(page) {
  await loadStylesheet("truth");
  document.querySelector(".below").insertAdjacentHTML("afterbegin", HTML);
  const truth = new Truth();
  const judgement = new Judgement(truth, sideOf(page), () => page.request());
  on("truth-iou", "input", () => {
    truth.iouThreshold = Number($("truth-iou").value);
    page.request();
  });
  on("truth-measures", "change", () => page.request());
  on("truth-add", "click", () => $("truth-file").click());
  on("truth-remove", "click", () => {
    truth.clear();
    page.drawNow(); // now, because a hidden button keeps no focus
    document.querySelector(page.pictures.selected ? "#figure" : "#welcome button").focus();
  });
  page.overlays.push((picture) => {
    const judged = judgement.of(picture);
    return judged && judgedBoxes(judged);
  });
  page.addPart(() => judgement.readSettings(), true);
  page.addPart(() => draw(page, judgement));
  return truth;
}

/** The detections that the page itself shows. */
function sideOf(page) {
  return {
    answerOf: ({ answer }) => answer,
    detectionsOf: (picture) => page.detectionsOf(picture),
    classes: () => page.models.chosen.classes,
    wanted: wantedLabels,
    key: () => JSON.stringify([settings(), ...wantedLabels()]),
  };
}

function draw(page, judgement) {
  const { truth } = judgement;
  $("truth").hidden = truth.files.size + truth.faults.length === 0;
  if ($("truth").hidden) return;
  const { list, selected } = page.pictures;
  const all = judgement.ofAll(list);
  const one = selected && judgement.of(selected);
  $("truth-measures").hidden = all.length === 0;
  setTextOf(document.querySelector('output[for="truth-iou"]'), truth.iouThreshold.toFixed(2));
  drawCounts(page, all, one);
  showLines("truth-faults", faultTexts(truth));
  showLines("truth-notes", notesOf(truth, list, all, one));
}

function drawCounts(page, all, one) {
  const isAll = document.querySelector('[name="truth-part"]:checked').value === "all";
  const countsOf = (ofAll, ofOne) => countsByLabel(isAll ? ofAll : ofOne ? [ofOne] : []);
  const counts = countsOf(all, one);
  const { list, selected } = page.pictures;
  const other = page.otherJudgement?.();
  const others = other && countsOf(other.ofAll(list), selected && other.of(selected));
  const note = isAll || one ? "" : "This picture has no ground truth.";
  showCounts($("truth-rows"), counts, page.models.chosen.classes, { note, others });
  const { f1 } = rates(summed([...counts.values()]));
  setText("truth-short", f1 === null ? "" : `F1 ${f1.toFixed(2)} ${isAll ? "over all pictures" : "in this picture"}`);
}

function faultTexts({ faults }) {
  const more = faults.length - MOST_FAULTS;
  const texts = faults.slice(0, MOST_FAULTS).map(({ message }) => message);
  return more > 0 ? [...texts, `${more} more files are not understood.`] : texts;
}

/** Fill the element with this id with these texts, a line each, if it has others. */
function showLines(id, texts) {
  if ([...$(id).children].map(({ textContent }) => textContent).join("\n") === texts.join("\n")) return;
  $(id).replaceChildren(...texts.map((textContent) => element("p", { textContent })));
}
