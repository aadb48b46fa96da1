// Detection in tiles: the choice among the settings, what it costs, and the hint at a picture that needs it.

import { settings, wantedTile } from "../detections/settings.js";
import { numViews, shrinkage, smallestSide, tileSize } from "../detections/tiles.js";
import { $, on, setText } from "../elements.js";

const LARGE = 3; // pixels of a picture for one pixel of the model's input, from which the page hints at tiles
const FACTORS = [1, 1.5, 2, 3, 4, 6]; // times the model's input are the sizes that are offered

export function mountTiles(page) {
  const change = (tile) => {
    if ($("tile").value === tile) return;
    $("tile").value = tile;
    resend(page);
  };
  on("tile", "change", () => resend(page));
  on("settings", "reset", () => change(""));
  on("use-tiles", "click", () => {
    change("auto");
    page.drawNow(); // now, because the hint goes away and its button with it
    $("figure").focus({ preventScroll: true });
  });
  page.onModel(offerSizes);
  page.addPart(({ models: { chosen }, pictures: { selected } }) => {
    drawCost(chosen.input, selected?.answer);
    drawHint(chosen.input, selected?.answer);
  });
}

/** Other tiles need other candidates than those that have come. */
function resend(page) {
  page.pictures.resendAll();
  page.request();
}

function offerSizes({ input }) {
  const side = Math.max(input.width, input.height);
  const sizes = FACTORS.map((factor) => Math.round(factor * side));
  const options = sizes.map((size) => new Option(`${size} × ${size} pixels`, size));
  $("tile").replaceChildren(new Option("Off", ""), new Option("Automatic", "auto"), ...options);
}

function drawCost(input, answer) {
  const tile = wantedTile();
  const views = answer && tile ? (answer.views ?? numViews(answer, tileSize(tile, input))) : 0;
  const { isLimitPerView, maxDetections } = settings();
  const limit = isLimitPerView ? `, each time for at most ${maxDetections} detections` : "";
  const text = views === 1 ? "This picture fits into one tile." : `The model runs ${views} times for this picture${limit}.`;
  setText("tile-note", views ? text : tile ? "The model runs for each tile of a picture." : "");
}

function drawHint(input, answer) {
  const isNeeded = Boolean(answer) && !wantedTile() && shrinkage(answer, input) >= LARGE;
  $("tile-hint").hidden = !isNeeded;
  if (!isNeeded) return;
  const [picture, seen] = [answer, input].map(({ width, height }) => `${width} × ${height}`);
  setText(
    "tile-hint-text",
    `This picture has ${picture} pixels, and the model sees it at ${seen}: it misses objects smaller than about ` +
      `${smallestSide(answer, input)} pixels. In tiles it finds them, but runs ${numViews(answer, tileSize("auto", input))} times.`,
  );
}
