// The words and the colours of the server's numbers.

import { STAGES as ANSWER_STAGES } from "../panels/time.js";

const { decode, queue, infer, postprocess } = ANSWER_STAGES;

/** The stages of a request in their order: a name and a colour each, those of the panel of time where it has them. */
export const STAGES = {
  ...{ receive: ["Receive", "#009e73"], decode, queue, infer, postprocess },
  ...{ draw: ["Draw", "#0072b2"], respond: ["Respond", "#d55e00"] },
};

/** What becomes of detect requests. */
export const OUTCOMES = {
  in_time: ["In time", "#009e73"],
  slow: ["Slow", "#e69f00"],
  refused: ["Refused", "#d55e00"],
  expired: ["Too late", "#cc79a7"],
  failed: ["Failed", "#c51b4a"],
  gave_up: ["Client gave up", "#8b949e"],
  client_error: ["Client's error", "#0072b2"],
};

/** Why requests are refused. */
export const REASONS = {
  late: "the answer would come too late",
  busy: "more requests than the event loop can read",
  queue_full: "the queue is full",
  requests: "too many requests at once",
  pixels: "too many pixels at once",
  closing: "the model was replaced",
  memory: "the bodies take too much memory",
  drawings: "too many pictures to draw",
  bundle: "the bundle is refused",
  expired: "the deadline passed",
  rate: "one client sends too many",
  key: "no valid key",
};

/** A number with as many digits as are of use, such as 0, 0.42, 3.1, 57. */
export function short(value) {
  return value.toFixed(value === 0 || value >= 10 ? 0 : value < 1 ? 2 : 1);
}

/** Seconds as milliseconds, such as 0.8 ms, 57 ms; a dash if they are not known. */
export function milliseconds(seconds) {
  return seconds === null ? "–" : `${short(1000 * seconds)} ms`;
}

/** A number and what it counts, such as 1 connection, 2 connections. */
export function counted(count, name) {
  return `${count} ${name}${count === 1 ? "" : "s"}`;
}

/** A length of time in its largest units, such as 3 h 12 min. */
export function duration(seconds) {
  const [days, hours, minutes] = [seconds / 86400, (seconds / 3600) % 24, (seconds / 60) % 60].map(Math.floor);
  if (days) return `${days} d ${hours} h`;
  return hours ? `${hours} h ${minutes} min` : minutes ? `${minutes} min` : `${Math.floor(seconds)} s`;
}
