// The right model's answers to the visitor's pictures; the pictures themselves have those of the left one.

import { UNSENT } from "../pictures/pictures.js";

/** `model` is the right model; null if nothing is compared. */
export class Counterparts {
  model = null;
  #requests = new WeakMap(); // picture -> {file, model, key, state, answer, problem, ...} as the queue wants it

  constructor(page) {
    this.page = page;
    page.pictures.queue.furtherOf = () => this.requests();
  }

  /** Whether both sides get the same answer, so that none is requested for the right one. */
  get isShared() {
    return this.#keyOf(this.model) === this.#keyOf(this.page.models.chosen);
  }

  /** Choose the right model; pictures that it has failed on before are sent again. */
  choose(model) {
    const { queue } = this.page.pictures;
    queue.stop(this.requests());
    this.model = model;
    for (const request of this.requests()) if (request.state === "failed") Object.assign(request, UNSENT);
    queue.send();
  }

  /** The requests for all pictures, as far as they are needed. */
  requests() {
    if (!this.model || this.isShared) return [];
    return this.page.pictures.list.map((picture) => this.#requestOf(picture));
  }

  /** The answer for a picture, or null. */
  answerOf(picture) {
    if (!this.model) return null; // the comparison has ended, and work that was left for later asks
    return this.isShared ? picture.answer : this.#requestOf(picture).answer;
  }

  /** Why there is no answer for a picture, or null. */
  problemOf(picture) {
    return this.isShared ? picture.problem : this.#requestOf(picture).problem;
  }

  /** The request for a picture; a new one if the model or the parameters of requests have changed. */
  #requestOf(picture) {
    const key = this.#keyOf(this.model);
    const last = this.#requests.get(picture);
    if (last?.key === key) return last;
    if (last) this.page.pictures.queue.stop([last]);
    const request = { file: picture.file, model: this.model, key, ...UNSENT };
    this.#requests.set(picture, request);
    return request;
  }

  #keyOf(model) {
    return JSON.stringify(this.page.parametersFor(model));
  }
}
