// The divider of a swipe: left of it the left side is visible, right of it the right one.

const STEPS = { ArrowLeft: -2, ArrowDown: -2, ArrowRight: 2, ArrowUp: 2, PageUp: 10, PageDown: -10 };
const ENDS = { Home: 0, End: 100 };

/** Makes `slider` move across `place`, which gets the custom property --divider, in per cent of its width. */
export class Divider {
  value = 50;

  constructor(slider, place) {
    Object.assign(this, { slider, place });
    Object.assign(slider, { role: "slider", tabIndex: 0, ariaLabel: "Divider between left and right" });
    Object.assign(slider, { ariaValueMin: 0, ariaValueMax: 100, ariaOrientation: "horizontal" });
    this.put(this.value);
    slider.addEventListener("keydown", (event) => this.#press(event));
    slider.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      slider.setPointerCapture(event.pointerId);
      slider.focus();
    });
    slider.addEventListener("pointermove", ({ pointerId, clientX }) => {
      if (!slider.hasPointerCapture(pointerId)) return;
      const { left, width } = place.getBoundingClientRect();
      this.put((100 * (clientX - left)) / width);
    });
  }

  /** Move the divider to so many per cent of the width. */
  put(wanted) {
    this.value = Math.min(Math.max(Math.round(wanted), 0), 100);
    this.place.style.setProperty("--divider", `${this.value}%`);
    this.slider.ariaValueNow = this.value;
    this.slider.ariaValueText = `left ${this.value} %, right ${100 - this.value} %`;
  }

  #press(event) {
    const wanted = ENDS[event.key] ?? this.value + (event.shiftKey ? 5 : 1) * (STEPS[event.key] ?? NaN);
    if (Number.isNaN(wanted)) return;
    event.preventDefault();
    event.stopPropagation();
    this.put(wanted);
  }
}
