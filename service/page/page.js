// What the parts of the page share: the models, the pictures, and when all parts are drawn again.

import { detectionsOf } from "./detections/detections.js";
import { lowestThreshold, settings, wantedLabels, wantedTile } from "./detections/settings.js";
import { askForKey } from "./panels/key_form.js";
import { Pictures } from "./pictures/pictures.js";
import { detect } from "./server/client.js";
import { Models } from "./server/models.js";

/**
 * A part is a function `mountPart(page)`, which listens to its own elements and gives `page.addPart` a function that
 * brings these elements into line with the models, the pictures and the settings. A part that changes one of them
 * calls `page.request()`.
 */
export class Page {
  #draws = [];
  #choices = [];
  #isRequested = false;
  #ranked = new Map();
  decorate = () => ""; // a detection -> more classes of style/viewer.css for its box

  constructor() {
    this.models = new Models();
    this.pictures = new Pictures(
      async (file, signal) => {
        const model = await this.models.whenChosen(); // pictures may come before the list of models or its key
        const parameters = { score_threshold: lowestThreshold(model), tile: wantedTile() };
        return detect(file, { ...this.models.named(), ...parameters }, signal);
      },
      (picture) => {
        if (picture.problem?.status === 401) askForKey();
        this.request();
      },
    );
  }

  /** Call `draw(page)` at each drawing, after the parts that were added before. */
  addPart(draw) {
    this.#draws.push(draw);
  }

  /** Call `react(model)` after each choice of a model, before the pictures are sent to it. */
  onModel(react) {
    this.#choices.push(react);
  }

  chooseModel(index) {
    this.models.choose(index);
    for (const react of this.#choices) react(this.models.chosen);
    this.pictures.resend();
    this.request();
  }

  /** Add image files, and show the first of them. */
  add(files) {
    this.pictures.add(files);
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
    this.#ranked.clear(); // the settings may differ from those of the last drawing
    for (const draw of this.#draws) draw(this);
  }

  /** The detections in a picture with the present settings, best first; null if it is not answered. */
  detectionsOf({ answer }) {
    if (!answer) return null;
    if (!this.#ranked.has(answer)) {
      const start = performance.now();
      this.#ranked.set(answer, detectionsOf(answer, settings(), wantedLabels()));
      answer.rankMilliseconds = performance.now() - start;
    }
    return this.#ranked.get(answer);
  }
}
