// What lies in the frame of a view: the browser's image, over it the pixels of a large one and the boxes, and a minimap.

import { element } from "../elements.js";
import { Boxes } from "./boxes.js";
import { Detail, isLarge } from "./detail.js";
import { Minimap } from "./minimap.js";
import { fitScale, toFrame } from "./view.js";

const NOT_SHOWN = "This browser cannot show the picture. The server can read it, and its boxes are here.";

export class Layers {
  image = element("img", { alt: "", draggable: false, decoding: "async" });
  #note = element("p", { className: "view-note", hidden: true, textContent: NOT_SHOWN });

  /** `onChange()` is called when there is more to draw, `onMove(x, y)` when the visitor moves the part in the minimap. */
  constructor(frame, onChange, onMove) {
    this.element = frame;
    const [detail, lines] = ["detail", "lines"].map((className) => element("canvas", { className, ariaHidden: "true" }));
    frame.append(this.image, detail, lines, this.#note);
    this.detail = new Detail(detail, onChange);
    this.boxes = new Boxes(lines, frame);
    this.minimap = new Minimap(frame, onMove);
  }

  open({ url, file }) {
    this.image.src = url;
    this.image.alt = file.name;
    this.detail.open(file);
    this.minimap.open(url);
  }

  clear() {
    this.detail.close();
    this.image.removeAttribute("src");
  }

  /** The size of the picture as the server sees it, or else the browser; null if it is not known yet. */
  measure(answer) {
    const { naturalWidth: width, naturalHeight: height, complete } = this.image;
    this.#note.hidden = !(answer && complete && !width);
    const size = answer ? { width: answer.width, height: answer.height } : width ? { width, height } : null;
    if (size) {
      this.element.style.setProperty("--ratio", size.width / size.height);
      this.element.classList.toggle("large", isLarge(size));
    }
    return size;
  }

  /** `marks` is {hot, withLabels}, as Boxes.draw() takes it. */
  draw(view, size, frame, marks) {
    const fit = fitScale(size, frame);
    const [left, top] = toFrame(view, frame, [0, 0]);
    const isDetailed = this.detail.draw(view, size, frame);
    const style = {
      width: `${size.width * fit}px`,
      height: `${size.height * fit}px`,
      transform: `translate(${left}px, ${top}px) scale(${view.scale / fit})`,
      visibility: isDetailed ? "hidden" : "visible",
    };
    for (const [property, value] of Object.entries(style)) this.image.style.setProperty(property, value);
    this.element.classList.toggle("zoomed", view.scale > fit * 1.001);
    this.element.classList.toggle("magnified", view.scale >= 3);
    this.boxes.draw(view, frame, marks);
    this.minimap.draw(view, size, frame);
  }
}
