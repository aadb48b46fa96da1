// When a video shows a new frame, and how long a frame of it lasts.

const USUAL_SECONDS = 1 / 30;

export class Ticker {
  #video;
  #isFresh = false;
  #wakeUp = () => {};
  #last = null;
  #shortest = Infinity;

  constructor(video) {
    this.#video = video;
    this.#listen();
  }

  /** Seconds that a frame lasts, as far as the frames that were shown tell it. */
  get frameSeconds() {
    return Number.isFinite(this.#shortest) ? this.#shortest : USUAL_SECONDS;
  }

  /** Forget the video before. */
  reset() {
    [this.#isFresh, this.#last, this.#shortest] = [false, null, Infinity];
  }

  /** Wait for a frame that was not there at the last call; `wake()` and an aborted `signal` end the wait early. */
  async next(signal) {
    if (!this.#isFresh && !signal.aborted) {
      await new Promise((resolve) => {
        this.#wakeUp = resolve;
        signal.addEventListener("abort", resolve, { once: true });
      });
    }
    this.#isFresh = false;
  }

  /** End a wait, because no frame may come. */
  wake() {
    this.#wakeUp();
  }

  #listen() {
    const video = this.#video;
    const wait = video.requestVideoFrameCallback
      ? (react) => video.requestVideoFrameCallback((_, metadata) => react(metadata))
      : (react) => requestAnimationFrame(() => react(null)); // it may give a frame twice
    const react = (metadata) => {
      if (metadata || !video.paused) this.#see(metadata);
      wait(react);
    };
    wait(react);
  }

  #see(metadata) {
    if (metadata) {
      const { mediaTime, presentedFrames } = metadata;
      const isNext = presentedFrames === this.#last?.presentedFrames + 1;
      const gap = isNext ? mediaTime - this.#last.mediaTime : 0;
      if (gap > 0.001 && gap < this.#shortest) this.#shortest = gap;
      this.#last = metadata;
    }
    this.#isFresh = true;
    this.wake();
  }
}
