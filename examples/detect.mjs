// Detect with JavaScript's fetch, in Node.js 18 or later and in browsers:
//
//   node examples/detect.mjs service/bundles/bccd-passd-320/blood-cells-2.jpg [http://localhost:8000]
//
// A page of another origin may ask the server if the server's setting SINGLESHOT_CORS_ORIGINS has that origin.

/**
 * The detections in a picture (a Blob, a File or bytes): [{label, class_id, score, box: {x1, y1, x2, y2}}, ...].
 * `query` is that of /detect. A busy server is asked again when it says so, for `seconds` in all.
 */
export async function detect(url, picture, query = {}, seconds = 30) {
  const deadline = Date.now() + 1000 * seconds;
  for (;;) {
    const response = await fetch(`${url}/detect?${new URLSearchParams(query)}`, {
      method: "POST",
      body: picture,
      signal: AbortSignal.timeout(deadline - Date.now()),
    });
    if (response.ok) return (await response.json()).results[0].detections;
    const isBusy = response.status === 503 || response.status === 429;
    const wait = Number(response.headers.get("Retry-After-Ms")) || 1000 * Number(response.headers.get("Retry-After"));
    if (!isBusy || !wait || Date.now() + 1.2 * wait > deadline) throw new Error(await reasonOf(response));
    await new Promise((resume) => setTimeout(resume, (1 + 0.2 * Math.random()) * wait));
  }
}

/** Every error of the server is JSON with a `detail`; a proxy's may be something else. */
async function reasonOf(response) {
  const problem = await response.json().catch(() => ({}));
  return `${response.status}: ${problem.detail ?? response.statusText}`;
}

if (globalThis.process?.argv[1]?.endsWith("detect.mjs")) {
  const { readFile } = await import("node:fs/promises");
  const [path, url = "http://localhost:8000"] = process.argv.slice(2);
  if (!path) {
    console.error("node examples/detect.mjs PICTURE [http://localhost:8000]");
    process.exit(1);
  }
  try {
    for (const { label, score, box } of await detect(url, await readFile(path), { score_threshold: 0.5 })) {
      console.log(label.padEnd(10), score.toFixed(2), box);
    }
  } catch (error) {
    console.error(`${url}: ${error.cause?.message ?? error.message}`);
    process.exitCode = 1;
  }
}
