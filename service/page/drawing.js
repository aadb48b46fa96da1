// Draws the page: it brings the view into line with the pictures, the chosen model, the settings and the zoom.

import { showCurl } from "./curl.js";
import { detectionsOf } from "./detections.js";
import { showSettings } from "./settings.js";
import {
  $, clearDetections, say, setText, showDetections, showImage, showProblem, showThumbs, showTime,
} from "./view.js";

const ZOOMS = [1, 1.5, 2, 3, 4];

export class Drawing {
  #zoom = 0;
  #isRequested = false;

  constructor(pictures, models) {
    this.pictures = pictures;
    this.models = models;
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
    const { list, selected } = this.pictures;
    showSettings();
    showCurl(this.models, selected);
    $("welcome").hidden = list.length > 0;
    $("work").hidden = $("strip").hidden = !selected;
    showThumbs(list, selected, ({ answer }) => detectionsOf(answer).length);
    if (selected) this.#drawPicture(selected);
    else clearDetections();
  }

  zoomBy(steps) {
    this.#zoom += steps;
    this.request();
  }

  #drawPicture(picture) {
    const { answer, problem } = picture;
    showImage(picture, ZOOMS[this.#zoom]);
    $("zoom-out").disabled = this.#zoom === 0;
    $("zoom-in").disabled = this.#zoom === ZOOMS.length - 1;
    showProblem(picture);
    if (!answer) {
      clearDetections();
      say(problem ? "" : "Detecting…");
      return;
    }
    const start = performance.now();
    const detections = detectionsOf(answer);
    const milliseconds = performance.now() - start;
    showDetections(detections, this.models.chosen.classes, answer);
    showTime(answer.stages);
    setText("rank-note", `NMS of ${answer.scores.length} candidates in this browser: ${milliseconds.toFixed(1)} ms`);
    const count = `${detections.length} ${detections.length === 1 ? "detection" : "detections"}`;
    say(`${count} in ${picture.file.name}, ${answer.width} × ${answer.height}`);
  }
}
