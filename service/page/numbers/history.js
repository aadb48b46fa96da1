// The last minutes of the server: a point for each scrape of its metrics.

import { Interval } from "./interval.js";

const HISTORY_SECONDS = 300;
const POINT_SECONDS = 10; // the numbers of a point are those of so many seconds before it
const SUMMARY_SECONDS = 60;
const START = "process_start_time_seconds";

export const isDetection = ({ model }) => model !== ""; // of a request: those for pages and lists concern no model

export class History {
  #scrapes = []; // of the last minute
  points = []; // {seconds, rates by outcome, p50 and p95 in seconds, depth, batch, busy}, the newest last
  isNew = false; // another process has answered than before

  /** Add a scrape {seconds, series}. */
  add(scrape) {
    const last = this.#scrapes.at(-1);
    this.isNew = last !== undefined && valueOf(last, START) !== valueOf(scrape, START);
    if (this.isNew) [this.#scrapes, this.points] = [[], []];
    this.#scrapes.push(scrape);
    this.#scrapes = this.#scrapes.filter(({ seconds }) => scrape.seconds - seconds <= SUMMARY_SECONDS);
    this.points = this.points.filter(({ seconds }) => scrape.seconds - seconds <= HISTORY_SECONDS);
    const interval = this.#last(POINT_SECONDS);
    if (interval) this.points.push(pointOf(interval));
  }

  get scrape() {
    return this.#scrapes.at(-1);
  }

  /** The last minute, or the time since the first scrape; null if there was only one. */
  get summary() {
    return this.#last(SUMMARY_SECONDS);
  }

  #last(seconds) {
    const newest = this.#scrapes.at(-1);
    const oldest = this.#scrapes.find((scrape) => newest.seconds - scrape.seconds <= seconds);
    return oldest === newest ? null : new Interval(oldest, newest);
  }
}

/** The sum of a metric's series in a scrape; null if there are none. */
export function valueOf({ series }, name) {
  return series.get(name)?.reduce((sum, { value }) => sum + value, 0) ?? null;
}

function pointOf(interval) {
  const { newer, seconds } = interval;
  const rises = interval.riseBy("singleshot_detect_requests_total", "outcome");
  const busy = interval.rise("singleshot_worker_busy_seconds_total") / seconds;
  return {
    seconds: newer.seconds,
    rates: Object.fromEntries([...rises].map(([outcome, count]) => [outcome, count / seconds])),
    p50: interval.quantile("singleshot_request_duration_seconds", 0.5, isDetection),
    p95: interval.quantile("singleshot_request_duration_seconds", 0.95, isDetection),
    depth: valueOf(newer, "singleshot_queue_depth"),
    batch: interval.mean("singleshot_batch_size"),
    busy: Math.min(busy / (valueOf(newer, "singleshot_engine_streams") || 1), 1),
  };
}
