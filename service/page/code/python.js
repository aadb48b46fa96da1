// A request as a program in Python, with this project's client.

import { literal } from "./literal.js";

const WIDTH = 88; // of a line

/** {base, path, parameters, needsKey} -> the program that prints the detections in the file at `path`. */
export function pythonOf({ base, path, parameters, needsKey }) {
  const key = needsKey ? ', api_key=os.environ["API_KEY"]' : "";
  const options = Object.entries(parameters).filter(([, value]) => value !== null && String(value) !== "");
  const keywords = options.map(([name, value]) => `${name}=${literal(value)}`);
  return [
    ...(needsKey ? ["import os", ""] : []),
    "from singleshot import Client",
    "",
    `client = Client(${literal(base)}${key})`,
    call("detections = client.detect", [literal(path), ...keywords]),
    "for found in detections:",
    "    print(found.label, found.score, found.box)",
  ].join("\n");
}

/** A call in one line, or if that is too long, in a line for each argument. */
function call(name, values) {
  const line = `${name}(${values.join(", ")})`;
  return line.length <= WIDTH ? line : `${name}(\n${values.map((value) => `    ${value},\n`).join("")})`;
}
