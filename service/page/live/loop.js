// The loop of the live view: it sends a frame after the answer to the last one, so that no frame ever waits in a queue.

import { Problem } from "../server/client.js";
import { Rate } from "./rate.js";

const MOST_MILLISECONDS = 10000; // for an answer; it is far less if the last answers were fast
const LEAST_MILLISECONDS = 1000;
const TIMES_USUAL = 4; // an answer that takes so many times as long as usual is of no use any more
const ABSENT_SECONDS = 3; // between two frames while the server does not answer
const WAITED_FOR = new Set([429, 503]); // the server names the time of the next try

/**
 * `take(signal)` -> a frame that was not sent before, or null to end the loop.
 * `ask(frame, milliseconds, signal)` -> its answer, or throws Problem; milliseconds are the time in which it is of use.
 * `onAnswer(answer, frame, rate)` is called after each answer, `onNotice(text)` when something hinders it, with ""
 * when it goes on, and `onRefusal(problem)` when the loop has ended because another frame would be refused, too.
 */
export class Loop {
  #controller = null;
  #limit = MOST_MILLISECONDS;
  rate = new Rate();

  constructor({ take, ask, onAnswer, onNotice, onRefusal }) {
    Object.assign(this, { take, ask, onAnswer, onNotice, onRefusal });
  }

  get isRunning() {
    return this.#controller !== null;
  }

  start() {
    if (this.isRunning) return;
    this.rate.reset();
    this.#controller = new AbortController();
    this.#run(this.#controller.signal);
  }

  stop() {
    this.#controller?.abort();
    this.#controller = null;
  }

  async #run(signal) {
    while (!signal.aborted) {
      await whenVisible(signal);
      const frame = await this.take(signal);
      if (signal.aborted) return;
      if (!frame) {
        this.#controller = null;
        return;
      }
      const start = performance.now();
      try {
        const answer = await this.ask(frame, this.#limit, signal);
        this.rate.note(performance.now() - start);
        this.#limit = Math.min(Math.max(TIMES_USUAL * this.rate.milliseconds, LEAST_MILLISECONDS), MOST_MILLISECONDS);
        this.onNotice("");
        await this.onAnswer(answer, frame, this.rate);
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof Problem)) throw error;
        await this.#wait(error, signal);
      }
    }
  }

  /** Wait as long as the problem wants; end the loop if it would come again. */
  async #wait(problem, signal) {
    this.rate.reset();
    if (problem.status === 504) {
      this.#limit = MOST_MILLISECONDS;
      this.onNotice("An answer came too late, so its frame was dropped.");
    } else if (problem.status === 0 || WAITED_FOR.has(problem.status)) {
      const seconds = problem.retrySeconds ?? ABSENT_SECONDS;
      this.onNotice(`${problem.title}. The next frame is sent in ${seconds < 10 ? seconds.toFixed(1) : seconds} s.`);
      await pause(1000 * seconds, signal);
    } else {
      this.stop();
      this.onRefusal(problem);
    }
  }
}

function pause(milliseconds, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });
}

/** Wait until the tab is visible; ends early if `signal` is aborted. */
function whenVisible(signal) {
  if (!document.hidden) return null;
  return new Promise((resolve) => {
    document.addEventListener("visibilitychange", resolve, { once: true });
    signal.addEventListener("abort", resolve, { once: true });
  });
}
