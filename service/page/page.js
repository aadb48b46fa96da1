// What the parts of the page share: the models, the pictures, and when all parts are drawn again.

import { Ranking } from "./detections/ranking.js";
import { lowestThreshold, wantedTile } from "./detections/settings.js";
import { askForKey } from "./panels/key_form.js";
import { isPicture } from "./pictures/files.js";
import { Pictures } from "./pictures/pictures.js";
import { detect, isThere } from "./server/client.js";
import { Models } from "./server/models.js";

/**
 * A part is a function `mountPart(page)`, which listens to its own elements and gives `page.addPart` a function that
 * brings these elements into line with the models, the pictures and the settings. A part that changes one of them
 * calls `page.request()`.
 */
export class Page {
  #draws = [];
  #choices = [];
  #takers = [];
  #isRequested = false;
  #ranking = new Ranking(() => this.request());
  truth = null; // the Truth, after the first file of it has come
  otherJudgement = null; // () -> the Judgement of the right side of a comparison, or null
  overlays = []; // of parts that show more than detections: picture -> the list for boxesOf(), or null
  decorate = ({ look }) => look ?? ""; // a detection -> more classes of style/viewer.css for its box

  constructor() {
    this.models = new Models();
    this.pictures = new Pictures(
      async ({ file, model }, signal) => {
        const chosen = await this.models.whenChosen(); // pictures may come before the list of models or its key
        return detect(file, this.parametersFor(model ?? chosen), signal);
      },
      isThere,
      () => {
        if (this.pictures.queue.pause?.kind === "key") askForKey();
        this.request();
      },
    );
  }

  /** The parameters of a request for the candidates in a picture. */
  parametersFor(model) {
    return { ...this.models.named(model), score_threshold: lowestThreshold(model), tile: wantedTile() };
  }

  /** Call `draw(page)` at each drawing, after the parts that were added before, or as the first. */
  addPart(draw, isFirst = false) {
    if (isFirst) this.#draws.unshift(draw);
    else this.#draws.push(draw);
  }

  /** Call `react(model)` after each choice of a model, before the pictures are sent to it, and now if one is chosen. */
  onModel(react) {
    this.#choices.push(react);
    if (this.models.chosen) react(this.models.chosen);
  }

  /** Offer each file that comes and is no picture to `take(file)` -> whether it is taken. */
  onOtherFile(take) {
    this.#takers.push(take);
  }

  chooseModel(index) {
    this.models.choose(index);
    for (const react of this.#choices) react(this.models.chosen);
    this.pictures.resendAll();
    this.request();
  }

  /** Add files: show the first of the pictures, and offer the others to those who take them. */
  add(files) {
    const all = [...files];
    this.pictures.add(all.filter(isPicture));
    const others = all.filter((file) => !isPicture(file));
    const leftOut = others.filter((file) => !this.#takers.some((take) => take(file)));
    if (all.length) this.pictures.leftOut = leftOut.map(({ name }) => name);
    this.request();
  }

  /** Draw at the next animation frame, one time for all requests until then. */
  request() {
    if (this.#isRequested) return;
    this.#isRequested = true;
    requestAnimationFrame(() => {
      this.#isRequested = false;
      if (this.models.chosen) this.drawNow();
    });
  }

  drawNow() {
    this.#ranking.readSettings();
    for (const draw of this.#draws) draw(this);
    this.#ranking.catchUp(this.pictures.list);
  }

  /** The detections in a picture, best first; null if it is not answered. The same list until the settings change. */
  detectionsOf(picture) {
    return this.#ranking.detectionsOf(picture);
  }

  /**
   * What the view shows over a picture: its detections, in the same order, which may have a `sign` before their name
   * and a `look`, a class of style sheets; behind them may be boxes of other kinds.
   */
  boxesOf(picture) {
    for (const overlay of this.overlays) {
      const boxes = overlay(picture);
      if (boxes) return boxes;
    }
    return this.detectionsOf(picture) ?? [];
  }

  /** The counts and the scores of a picture's detections, as Ranking.summaryOf() describes them; null if not known. */
  summaryOf(picture) {
    return this.#ranking.summaryOf(picture);
  }

  /** Whether no picture waits for its answer or for its ranking. */
  isSettled() {
    return this.#ranking.isSettled && this.pictures.queue.in("waiting", "running").length === 0;
  }
}
