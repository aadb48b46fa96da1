// How many frames a second are answered, and how long an answer takes.

const WINDOW_MILLISECONDS = 3000;

export class Rate {
  #answers = []; // {time, milliseconds}, the newest last

  /** Note an answer that came now and took so long. */
  note(milliseconds) {
    const time = performance.now();
    this.#answers.push({ time, milliseconds });
    const isLast = (index) => index >= this.#answers.length - 2; // a slow server has fewer in the window
    this.#answers = this.#answers.filter((answer, index) => isLast(index) || time - answer.time <= WINDOW_MILLISECONDS);
  }

  reset() {
    this.#answers = [];
  }

  /** Frames a second over the last seconds; null before the second answer. */
  get perSecond() {
    const [first, last] = [this.#answers[0], this.#answers.at(-1)];
    return this.#answers.length < 2 ? null : (1000 * (this.#answers.length - 1)) / (last.time - first.time);
  }

  /** The median time of the last answers; null if there are none. */
  get milliseconds() {
    const sorted = this.#answers.map(({ milliseconds }) => milliseconds).sort((a, b) => a - b);
    return sorted[Math.floor(sorted.length / 2)] ?? null;
  }
}
