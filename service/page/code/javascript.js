// A request as a module of JavaScript, for Node.js and browsers.

import { addressOf } from "./curl.js";
import { literal } from "./literal.js";

/** {base, path, parameters, needsKey} -> the module that prints the detections in the file at `path`. */
export function javascriptOf({ base, path, parameters, needsKey }) {
  const key = needsKey ? ', headers: { "X-API-Key": process.env.API_KEY }' : "";
  return [
    "async function detect(picture) {",
    `  const url = ${literal(addressOf(base, parameters))};`,
    `  const response = await fetch(url, { method: "POST", body: picture${key} });`,
    "  if (!response.ok) throw new Error(await response.text());",
    "  return (await response.json()).results[0].detections;",
    "}",
    "",
    "// Node.js, as request.mjs; in a browser, picture is a File or a Blob",
    'const { readFile } = await import("node:fs/promises");',
    `const picture = await readFile(${literal(path)});`,
    "for (const { label, score, box } of await detect(picture)) console.log(label, score, box);",
  ].join("\n");
}
