// The visitor's pictures: which one is selected, and when each is sent.

import { Problem } from "../server/client.js";

const AT_ONCE = 3; // pictures that are sent at the same time
const MAX_TRIES = 5; // requests for one picture before a busy server counts as a failure

/**
 * `list` holds {file, url, state, answer, problem, retryAt, tries, controller};
 * state is waiting, running, paused, failed or done.
 * `ask(file, signal)` -> answer, or throws Problem.
 * `onChange(picture)` is called after each answer and each refusal, and at each step of a countdown.
 */
export class Pictures {
  list = [];
  selected = null;

  constructor(ask, onChange) {
    this.ask = ask;
    this.onChange = onChange;
    setInterval(() => this.#tick(), 250);
  }

  /** Add these files, and select the first of them. */
  add(files) {
    const added = [...files].map((file) => ({ file, url: URL.createObjectURL(file), state: "waiting", tries: 0 }));
    this.list.push(...added);
    this.selected = added[0] ?? this.selected;
    this.send();
  }

  /** Select the picture at `index` of the list; an index of no picture changes nothing. */
  select(index) {
    this.selected = this.list[index] ?? this.selected;
  }

  clear() {
    for (const { controller, url } of this.list) {
      controller?.abort();
      URL.revokeObjectURL(url);
    }
    this.list = [];
    this.selected = null;
  }

  /** Send all pictures again, or only these. */
  resend(pictures = this.list) {
    for (const picture of pictures) {
      picture.controller?.abort();
      Object.assign(picture, { state: "waiting", answer: null, problem: null, tries: 0 });
    }
    this.send();
  }

  /** Send the pictures that wait, a few at a time. */
  send() {
    const inState = (wanted) => this.list.filter(({ state }) => state === wanted);
    const free = Math.max(0, AT_ONCE - inState("running").length);
    for (const picture of inState("waiting").slice(0, free)) this.#sendOne(picture);
  }

  async #sendOne(picture) {
    const controller = new AbortController();
    Object.assign(picture, { state: "running", problem: null, controller, tries: picture.tries + 1 });
    try {
      Object.assign(picture, { answer: await this.ask(picture.file, controller.signal), state: "done" });
    } catch (error) {
      if (controller.signal.aborted) return;
      if (!(error instanceof Problem)) throw error;
      putOff(picture, error);
    }
    this.send();
    this.onChange(picture);
  }

  /** Send the paused pictures that are due; the countdowns of the others go on. */
  #tick() {
    const paused = this.list.filter(({ state }) => state === "paused");
    for (const picture of paused) if (Date.now() >= picture.retryAt) picture.state = "waiting";
    if (paused.length) this.send();
    for (const picture of paused) this.onChange(picture);
  }
}

/** If the server is busy and names a time, the picture is sent again then, a few times; other refusals are final. */
function putOff(picture, problem) {
  const isPaused = problem.retrySeconds !== null && picture.tries < MAX_TRIES;
  const retryAt = isPaused ? Date.now() + 1000 * problem.retrySeconds : null;
  Object.assign(picture, { state: isPaused ? "paused" : "failed", problem, retryAt });
}
