// What happened between two scrapes of the metrics.

import { quantileOf } from "./quantile.js";

/** A scrape is {seconds: the time at which it came, series: as parseMetrics() gives them}. */
export class Interval {
  constructor(older, newer) {
    this.older = older;
    this.newer = newer;
    this.seconds = newer.seconds - older.seconds;
  }

  /** How much the counters of this name rose, by one of their labels -> Map; `isWanted(labels)` chooses the series. */
  riseBy(name, label, isWanted = () => true) {
    const rises = new Map();
    for (const { labels, value } of this.#rises(name)) {
      if (isWanted(labels)) rises.set(labels[label], (rises.get(labels[label]) ?? 0) + value);
    }
    return rises;
  }

  /** How much all counters of this name rose together. */
  rise(name, isWanted) {
    return [...this.riseBy(name, "", isWanted).values()].reduce((sum, value) => sum + value, 0);
  }

  /** The mean of what a histogram has observed; null if it has observed nothing. */
  mean(name) {
    const count = this.rise(`${name}_count`);
    return count ? this.rise(`${name}_sum`) / count : null;
  }

  /** A quantile of what a histogram has observed; null if it has observed nothing. */
  quantile(name, quantile, isWanted) {
    const buckets = this.riseBy(`${name}_bucket`, "le", isWanted);
    const numberOf = (bound) => (bound === "+Inf" ? Infinity : Number(bound));
    const listed = [...buckets].map(([bound, count]) => ({ bound: numberOf(bound), count }));
    return quantileOf(listed, quantile);
  }

  /** The rises of each series; one that is new, or lower than before, has started at 0. */
  *#rises(name) {
    const before = new Map((this.older.series.get(name) ?? []).map(({ labels, value }) => [keyOf(labels), value]));
    for (const { labels, value } of this.newer.series.get(name) ?? []) {
      const start = before.get(keyOf(labels)) ?? 0;
      yield { labels, value: value < start ? value : value - start };
    }
  }
}

const keyOf = (labels) => JSON.stringify(Object.entries(labels).sort());
