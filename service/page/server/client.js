// The page's requests to the server, and the titles of its refusals. All addresses are relative to the page's own.

const KEY = "singleshot-api-key"; // in sessionStorage: it survives a reload and ends with the tab
const TILES_MILLISECONDS = 120_000; // a picture in tiles may take the time of a hundred
const TITLES = {
  400: "The server could not read the request",
  401: "The key is missing or not valid",
  404: "Not found on this server",
  408: "The upload took too long",
  413: "Too large",
  415: "Not a picture",
  422: "The request is not valid",
  429: "Too many requests",
  500: "The model failed on this picture",
  502: "The server cannot be reached",
  503: "The server cannot answer now",
  504: "No answer in time",
  unreadable: "The file cannot be read",
};
const FINAL = new Set([400, 404, 413, 415, 422, "unreadable"]); // the same request would fail again
const PROBE_SECONDS = 10;

/**
 * A refused request: its status (0 if no answer came, "unreadable" if the file is gone), a title, the server's own
 * words, whether the same request would fail again, and when to try again.
 */
export class Problem extends Error {
  constructor(status, detail, retrySeconds = null) {
    super(detail);
    this.status = status;
    const title = status ? `The server answered with status ${status}` : "The server does not answer";
    this.title = TITLES[status] ?? title;
    this.isFinal = FINAL.has(status);
    this.retrySeconds = retrySeconds;
  }
}

export function keepKey(key) {
  sessionStorage.setItem(KEY, key);
}

export function hasKey() {
  return Boolean(sessionStorage.getItem(KEY));
}

/** GET or POST with the key, if there is one; throws Problem, or AbortError if `signal` ended the request. */
export async function ask(path, options = {}) {
  const key = sessionStorage.getItem(KEY);
  const headers = key ? { ...options.headers, "X-API-Key": encodeKey(key) } : options.headers;
  let response;
  try {
    response = await fetch(path, { ...options, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, "Check that it is running and that the network works.");
  }
  if (response.ok) return response;
  const problem = await response.json().catch(() => ({}));
  throw new Problem(response.status, problem.detail ?? response.statusText, retrySeconds(response.headers));
}

/** The body of a response; throws Problem if it ends before its time. */
export async function jsonOf(response) {
  try {
    return await response.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, "The answer was cut off.");
  }
}

/** POST a file; a browser reports a file that it cannot read as if the server had not answered. */
async function sendFile(path, file, options) {
  try {
    return await ask(path, { ...options, method: "POST", body: file });
  } catch (problem) {
    const isReadable = await file.slice(0, 1).arrayBuffer().then(() => true, () => false);
    if (problem.status !== 0 || isReadable) throw problem;
    throw new Problem("unreadable", "It was moved or changed after it was added. Add it again.");
  }
}

/** A header can hold only these characters; no valid key has others, so replacing them loses nothing. */
function encodeKey(key) {
  return key.replace(/[^\x21-\x7e]/g, "?");
}

function retrySeconds(headers) {
  const milliseconds = Number(headers.get("Retry-After-Ms"));
  const seconds = Number(headers.get("Retry-After"));
  return milliseconds > 0 ? milliseconds / 1000 : seconds > 0 ? seconds : null;
}

/** What GET /models lists: {models, the default first, faults of bundles}. */
export async function listModels() {
  return jsonOf(await ask("models"));
}

/** Whether the server answers, whatever it says; a proxy that does not reach it is no answer. */
export async function isThere() {
  try {
    await ask("models", { signal: AbortSignal.timeout(1000 * PROBE_SECONDS) });
    return true;
  } catch (error) {
    return error instanceof Problem && ![0, 502, 503, 504].includes(error.status);
  }
}

/** Example pictures for a model, [{name, load() -> Blob}, ...]: those of its card, or the one that checks it. */
export function examplesOf({ name, version, card }) {
  const place = `models/${encodeURIComponent(name)}`;
  const load = async (path) => (await ask(path)).blob();
  if (!card?.examples.length) return [{ name: `${name}.png`, load: () => load(`${place}/golden`) }];
  return card.examples.map((file, index) => ({
    name: file,
    load: () => load(`${place}/examples/${index + 1}?${query({ version })}`),
  }));
}

/** The query of /detect; parameters that are null, "" or [] are left out. */
export function query(parameters) {
  const set = Object.entries(parameters).filter(([, value]) => value !== null && String(value) !== "");
  const pairs = set.flatMap(([name, value]) => {
    const isAmbiguous = Array.isArray(value) && value.some((item) => item.includes(",")); // if joined by commas
    return isAmbiguous ? value.map((item) => [name, item]) : [[name, String(value)]];
  });
  return new URLSearchParams(pairs).toString().replaceAll("%2C", ",");
}

/**
 * A picture's candidates, to which the page applies each later choice without another request:
 * {model, version, width, height, views, boxes, scores, labels, stages: [{name, milliseconds, description}, ...]}.
 * Without tiles, views is undefined.
 * The last stage, network, is the part of the measured time that the server's stages do not explain.
 */
export async function detect(file, parameters, signal) {
  const start = performance.now();
  const candidates = { ...parameters, nms: "none", max_detections: 10000 };
  const headers = parameters.tile ? { "X-Request-Timeout-Ms": TILES_MILLISECONDS } : {};
  const response = await sendFile(`detect?${query(candidates)}`, file, { signal, headers });
  const { model, version, results } = await jsonOf(response);
  const [result] = results;
  const total = performance.now() - start;
  const stages = [...(response.headers.get("Server-Timing") ?? "").matchAll(/(\w+);dur=([\d.]+)(?:;desc="([^"]*)")?/g)].map(
    ([, name, milliseconds, description = ""]) => ({ name, milliseconds: Number(milliseconds), description }),
  );
  const known = stages.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
  stages.push({ name: "network", milliseconds: Math.max(0, total - known) });
  return {
    model,
    version,
    width: result.width,
    height: result.height,
    views: result.views ?? undefined,
    boxes: result.detections.map(({ box }) => [box.x1, box.y1, box.x2, box.y2]),
    scores: result.detections.map(({ score }) => score),
    labels: result.detections.map(({ class_id }) => class_id),
    stages,
  };
}
