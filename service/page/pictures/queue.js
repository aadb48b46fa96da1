// Sends the pictures that wait: a few at a time, fewer to a busy server, and none to one that does not answer.

import { Problem } from "../server/client.js";
import { pauseAfter } from "./pause.js";

const MOST_AT_ONCE = 3;
const MAX_DROPS = 5; // requests for one picture without an answer, before the picture itself counts as the cause
const MAX_SECONDS = 180; // for one request, also over a slow network

/**
 * `pause` is null, or why no picture is sent now, as pauseAfter() describes it. It ends by itself.
 * `listOf()` -> the pictures; `ask(picture, signal)` -> answer, or throws Problem; `isThere()` -> whether the server
 * answers.
 * `onChange()` is called after each answer and each refusal, and at each step of a countdown.
 */
export class Queue {
  pause = null;
  furtherOf = () => []; // requests that are sent after those of the pictures; they have the fields of pictures
  #atOnce = MOST_AT_ONCE;
  #refusals = 0; // in succession
  #clock = null;

  constructor(listOf, ask, isThere, onChange) {
    Object.assign(this, { listOf, ask, isThere, onChange });
    addEventListener("online", () => this.tryNow());
    for (const kind of ["online", "offline"]) addEventListener(kind, onChange);
  }

  /** The pictures in one of these states. */
  in(...states) {
    return this.listOf().filter(({ state }) => states.includes(state));
  }

  /** The number of requests that are not answered yet. */
  get numWaiting() {
    return this.#all("waiting", "running").length;
  }

  /** Send pictures that wait, as many as may be sent at once. */
  send() {
    if (this.pause) return;
    const free = Math.max(0, this.#atOnce - this.#all("running").length);
    for (const picture of this.#all("waiting").slice(0, free)) this.#sendOne(picture);
  }

  /** End the requests for these pictures; they wait again. */
  stop(pictures) {
    for (const picture of pictures) {
      if (picture.state !== "running") continue;
      picture.state = "waiting";
      picture.controller.abort();
    }
  }

  /** End the pause; nothing is sent until send(). */
  resume() {
    clearInterval(this.#clock);
    this.pause = null;
  }

  /** End the pause and send, if the server answers; without pictures that wait, nobody has to know. */
  async tryNow() {
    const { pause } = this;
    if (!pause || pause.isTrying) return;
    if (!this.#all("waiting").length) return this.resume();
    pause.isTrying = true;
    this.onChange();
    const isThere = pause.kind !== "gone" || (await this.isThere());
    if (this.pause !== pause) return;
    this.resume();
    if (!isThere) this.#wait(pauseAfter(pause.problem, this.#refusals));
    this.send();
    this.onChange();
  }

  #all(...states) {
    return [...this.listOf(), ...this.furtherOf()].filter(({ state }) => states.includes(state));
  }

  async #sendOne(picture) {
    const controller = new AbortController();
    const clock = setTimeout(() => controller.abort(new DOMException("no answer", "TimeoutError")), 1000 * MAX_SECONDS);
    const isCurrent = () => picture.controller === controller && picture.state === "running";
    Object.assign(picture, { state: "running", problem: null, controller });
    try {
      const answer = await this.ask(picture, controller.signal);
      if (!isCurrent()) return;
      Object.assign(picture, { answer, state: "done", drops: 0 });
      this.#refusals = 0;
      this.#atOnce = Math.min(this.#atOnce + 1, MOST_AT_ONCE);
    } catch (error) {
      if (!isCurrent()) return;
      if (!(error instanceof Problem)) throw error;
      this.#refuse(picture, error);
    } finally {
      clearTimeout(clock);
    }
    this.send();
    this.onChange();
  }

  #refuse(picture, problem) {
    const pause = pauseAfter(problem, this.#refusals);
    const isCause = pause?.mayBeOfPicture && ++picture.drops >= MAX_DROPS;
    if (!pause || isCause) Object.assign(picture, { state: "failed", problem });
    else {
      picture.state = "waiting";
      this.#atOnce = 1;
      this.#wait(pause);
    }
  }

  /** Pause; a picture that was sent at the same time as the refused one only makes the pause longer. */
  #wait(pause) {
    if (this.pause) {
      this.pause.retryAt = Math.max(this.pause.retryAt, pause.retryAt);
      return;
    }
    this.#refusals += 1;
    this.pause = pause;
    this.#clock = setInterval(() => (Date.now() >= this.pause.retryAt ? this.tryNow() : this.onChange()), 250);
  }
}
