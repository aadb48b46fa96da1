// Why no picture is sent for a while, and for how long.

const KINDS = { 0: "gone", 401: "key", 429: "busy", 502: "gone", 503: "busy", 504: "busy" };
const MAYBE_OF_PICTURE = new Set([0, 502, 504]); // a picture can be the cause of no answer
const LONGEST_SECONDS = 15;

/**
 * A Problem and the number of refusals before it -> {kind, problem, retryAt, mayBeOfPicture, isTrying}, or null if the
 * problem is one of the picture alone. The kind is busy, gone (no answer) or key (the server wants another one).
 * `retryAt` is in milliseconds of Date.now(): when the server says so, otherwise after 1, 2, 4 … 15 seconds.
 */
export function pauseAfter(problem, numRefusals) {
  const kind = KINDS[problem.status];
  if (!kind) return null;
  const seconds = kind === "key" ? Infinity : (problem.retrySeconds ?? Math.min(2 ** numRefusals, LONGEST_SECONDS));
  const mayBeOfPicture = MAYBE_OF_PICTURE.has(problem.status);
  return { kind, problem, retryAt: Date.now() + 1000 * seconds, mayBeOfPicture, isTrying: false };
}
