// Asks for the metrics again and again, one request at a time, as long as somebody looks.

import { Problem, ask } from "../server/client.js";
import { parseMetrics } from "./metrics_text.js";

const PAUSE_SECONDS = 2;
const MOST_PAUSE_SECONDS = 30; // after many failures
const ANSWER_SECONDS = 10;
const KEY_NEEDED = "The numbers need a key that this page has not.";
const REFUSALS = { 401: KEY_NEEDED, 403: KEY_NEEDED, 404: "There are no numbers at this address." };

/** `onScrape({seconds, series})` is called after each answer, `onTrouble(text)` after each failure. */
export class Polling {
  #controller = null;

  constructor(onScrape, onTrouble) {
    Object.assign(this, { onScrape, onTrouble });
  }

  start() {
    this.stop();
    this.#controller = new AbortController();
    this.#run(this.#controller.signal);
  }

  stop() {
    this.#controller?.abort();
  }

  async #run(signal) {
    let pause = PAUSE_SECONDS;
    while (!signal.aborted) {
      try {
        this.onScrape(await scrape(signal));
        pause = PAUSE_SECONDS;
      } catch (error) {
        if (signal.aborted) return;
        pause = Math.min(2 * pause, MOST_PAUSE_SECONDS);
        this.onTrouble(troubleOf(error, pause));
      }
      await wait(1000 * pause, signal);
      if (document.hidden) await whenVisible(signal);
    }
  }
}

async function scrape(signal) {
  const either = AbortSignal.any([signal, AbortSignal.timeout(1000 * ANSWER_SECONDS)]);
  const response = await ask("metrics", { signal: either, headers: { Accept: "text/plain" } });
  return { series: parseMetrics(await response.text()), seconds: performance.now() / 1000 };
}

function troubleOf(error, pause) {
  if (error instanceof Problem && error.status in REFUSALS) return REFUSALS[error.status];
  const title = error instanceof Problem ? error.title : "The server does not answer";
  return `${title}. It is asked again in ${pause} s.`;
}

function wait(milliseconds, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });
}

function whenVisible(signal) {
  return new Promise((resolve) => {
    document.addEventListener("visibilitychange", resolve, { once: true, signal });
    signal.addEventListener("abort", resolve, { once: true });
  });
}
