// The whole picture in small, with the part that the frame shows; the visitor drags this part.

import { element } from "../elements.js";
import { toPicture } from "./view.js";

/** `onMove(x, y)` is called with the point of the picture that the visitor wants in the middle. */
export class Minimap {
  #image = element("img", { alt: "", draggable: false, decoding: "async" });
  #part = element("div");
  #map = element("div", { className: "minimap", hidden: true, ariaHidden: "true" }, this.#image, this.#part);
  #url = "";

  constructor(parent, onMove) {
    parent.append(this.#map);
    const move = ({ clientX, clientY }) => {
      const { left, top, width, height } = this.#map.getBoundingClientRect();
      onMove((this.#size.width * (clientX - left)) / width, (this.#size.height * (clientY - top)) / height);
    };
    this.#map.addEventListener("pointerdown", (event) => {
      event.stopPropagation(); // the picture below must not move, too
      this.#map.setPointerCapture(event.pointerId);
      move(event);
    });
    this.#map.addEventListener("pointermove", (event) => {
      event.stopPropagation();
      if (this.#map.hasPointerCapture(event.pointerId)) move(event);
    });
  }

  #size = { width: 1, height: 1 };

  open(url) {
    this.#url = url;
    this.#image.removeAttribute("src"); // loaded when it is first seen
  }

  draw(view, size, frame) {
    const [left, top] = toPicture(view, frame, { left: 0, top: 0 });
    const isWhole = size.width * view.scale <= frame.width + 1 && size.height * view.scale <= frame.height + 1;
    this.#map.hidden = isWhole;
    if (isWhole) return;
    this.#size = size;
    if (!this.#image.hasAttribute("src")) this.#image.src = this.#url;
    this.#map.style.setProperty("--ratio", size.width / size.height);
    const share = (start, length, full) => {
      const [low, high] = [Math.max(start, 0) / full, Math.min(start + length, full) / full];
      return [`${100 * low}%`, `${100 * (high - low)}%`];
    };
    const [fromLeft, width] = share(left, frame.width / view.scale, size.width);
    const [fromTop, height] = share(top, frame.height / view.scale, size.height);
    for (const [property, value] of Object.entries({ left: fromLeft, top: fromTop, width, height })) {
      this.#part.style.setProperty(property, value);
    }
  }
}
