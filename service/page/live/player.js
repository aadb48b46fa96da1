// A video file: its time, its single frames, and the detections that were found in them.

const END_SECONDS = 0.001; // before the end, where a browser still shows the last frame

export class Player {
  #video;
  #ticker;
  #found = new Map(); // seconds -> frame

  constructor(video, ticker) {
    this.#video = video;
    this.#ticker = ticker;
  }

  /** Open a video file, at its first frame; throws Error if the browser cannot play it. */
  async open(file) {
    this.file = file;
    this.#found.clear();
    const video = this.#video;
    video.src = URL.createObjectURL(file);
    await new Promise((resolve, reject) => {
      video.onloadeddata = resolve;
      video.onerror = () => reject(new Error(`This browser cannot play ${file.name}.`));
    });
    if (!video.videoWidth) throw new Error(`There are no pictures in ${file.name}.`);
    if (video.duration === Infinity) await this.#measure();
  }

  get isAtEnd() {
    return this.#video.ended || this.#video.currentTime >= this.#video.duration - 2 * END_SECONDS;
  }

  /** Show the frame that is so many frames later -> whether there is one. */
  async step(count) {
    if (count > 0 && this.isAtEnd) return false;
    await this.seek(this.#video.currentTime + count * this.#ticker.frameSeconds);
    return true;
  }

  async seek(seconds) {
    const video = this.#video;
    const last = Math.max(video.duration - END_SECONDS, 0);
    const time = Math.min(Math.max(seconds, 0), last);
    if (Math.abs(time - video.currentTime) < 1e-6) return;
    const isSought = new Promise((resolve) => video.addEventListener("seeked", resolve, { once: true }));
    video.currentTime = time;
    await isSought;
  }

  /** Keep the detections in a frame; a later answer to the same frame replaces them. */
  note({ seconds, width, height }, detections) {
    this.#found.set(seconds, { seconds, width, height, detections });
  }

  /** All frames with their detections, in their order, with names instead of labels, as a JSON file. */
  toFile(model) {
    const frames = [...this.#found.values()]
      .sort((a, b) => a.seconds - b.seconds)
      .map(({ detections, ...frame }) => ({
        ...frame,
        detections: detections.map(({ label, ...rest }) => ({ label: model.classes[label], ...rest })),
      }));
    const content = { video: this.file.name, model: model.name, version: model.version, frames };
    const name = `${this.file.name.replace(/\.[^.]*$/, "")}.json`;
    return new File([JSON.stringify(content, null, 1)], name, { type: "application/json" });
  }

  /** Videos that a browser has recorded do not say how long they are; it finds out at their end. */
  async #measure() {
    const video = this.#video;
    const isMeasured = new Promise((resolve) => video.addEventListener("seeked", resolve, { once: true }));
    video.currentTime = 1e9;
    await isMeasured;
    await this.seek(0);
  }
}
