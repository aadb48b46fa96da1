// A request as a command line of curl.

import { query } from "../server/client.js";

const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;

/** {base, path, parameters, needsKey} -> the command that sends the file at `path`. */
export function curlOf({ base, path, parameters, needsKey }) {
  const key = needsKey ? ' -H "X-API-Key: $API_KEY"' : "";
  const file = /^[\w.-]+$/.test(path) ? path : quoted(path);
  return `curl --data-binary @${file}${key} ${quoted(addressOf(base, parameters))}`;
}

/** The address of /detect with its query. */
export function addressOf(base, parameters) {
  const text = query(parameters);
  return `${base}/detect${text && `?${text}`}`;
}

/** A text as one word of a shell; control characters as their bytes, because a terminal acts on them. */
function quoted(text) {
  if (!CONTROL.test(text)) return `'${text.replaceAll("'", "'\\''")}'`;
  return `$'${text.replace(/['\\]/g, "\\$&").replaceAll(new RegExp(CONTROL, "g"), octal)}'`;
}

function octal(character) {
  const bytes = [...new TextEncoder().encode(character)];
  return bytes.map((byte) => `\\${byte.toString(8).padStart(3, "0")}`).join("");
}
