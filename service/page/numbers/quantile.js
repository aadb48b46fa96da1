// Quantiles of a histogram, estimated as Prometheus' histogram_quantile does it.

/**
 * buckets [{bound, count}, ...]: `count` observations at or below `bound`, the last bound infinite -> the value below
 * which the share `quantile` of the observations lies; between two bounds they count as evenly spread. Above the last
 * finite bound the answer is that bound. null if there are no observations.
 */
export function quantileOf(buckets, quantile) {
  const sorted = [...buckets].sort((a, b) => a.bound - b.bound);
  const total = sorted.at(-1)?.count ?? 0;
  if (!total) return null;
  const rank = quantile * total;
  const index = sorted.findIndex(({ count }) => count >= rank);
  const [low, start] = index ? [sorted[index - 1].bound, sorted[index - 1].count] : [0, 0];
  const { bound: high, count: end } = sorted[index];
  if (high === Infinity) return low;
  return end === start ? high : low + ((high - low) * (rank - start)) / (end - start);
}
