// Reads the names of classes that belong to YOLO's numbers: classes.txt and data.yaml.

import { Fault } from "./fault.js";

const SCALAR = String.raw`'(?:[^']|'')*'|"(?:[^"\\]|\\.)*"|[^\s'"\[\]{},#][^\[\]{},#\n]*`;
const IN_FLOW = new RegExp(String.raw`\s*(?:(\d+)\s*:\s*)?(${SCALAR})\s*(?:,|(?=[\]}]))`, "y");
const IN_BLOCK = new RegExp(String.raw`^\s*(?:-|(\d+)\s*:)\s+(${SCALAR})\s*$`);
const EXPECTED = "write “names: [first, second]”, or a list or a numbered map below “names:”";

/** One name a line. */
export function readNameList(text, fileName) {
  const names = text.split(/\r?\n/).map((line) => line.trim());
  while (names.at(-1) === "") names.pop();
  if (!names.length) throw new Fault(fileName, "it is empty; write the name of a class in each line");
  const empty = names.indexOf("") + 1;
  if (empty) throw new Fault(fileName, `line ${empty} is empty, so the numbers are unclear`);
  return checked(names, fileName);
}

/** The `names` of a YAML file: a list or a numbered map, in brackets or in lines. No other YAML is understood. */
export function readYamlNames(text, fileName) {
  const lines = text.split(/\r?\n/).map(withoutComment);
  const start = lines.findIndex((line) => /^names\s*:/.test(line));
  if (start < 0) throw new Fault(fileName, `it has no names of classes; ${EXPECTED}`);
  const [first, ...rest] = lines.slice(start);
  const value = first.replace(/^names\s*:/, "").trim();
  const entries = value ? inBrackets([value, ...rest].join("\n")) : inLines(rest);
  if (!entries?.length) throw new Fault(fileName, `its names are not understood; ${EXPECTED}`);
  const isMap = entries[0].key !== null;
  if (!entries.every(({ key }, index) => key === (isMap ? index : null))) {
    throw new Fault(fileName, "its names must be numbered from 0 without gaps, in order");
  }
  const count = lines.map((line) => /^nc\s*:\s*(\d+)\s*$/.exec(line)?.[1]).find(Boolean);
  if (count && Number(count) !== entries.length) {
    throw new Fault(fileName, `nc is ${count}, but there are ${entries.length} names`);
  }
  return checked(entries.map(({ name }) => name), fileName);
}

/** The entries {key, name} of [...] or {...}; null if the text is anything else. */
function inBrackets(text) {
  const close = { "[": "]", "{": "}" }[text[0]];
  if (!close) return null;
  const entries = [];
  IN_FLOW.lastIndex = 1;
  for (;;) {
    const end = text.slice(IN_FLOW.lastIndex).trimStart();
    if (end.startsWith(close)) return entries;
    const found = IN_FLOW.exec(text);
    if (!found) return null;
    entries.push(entryOf(found));
  }
}

function inLines(lines) {
  const entries = [];
  for (const line of lines.filter((text) => text.trim())) {
    if (/^\w/.test(line) && !/^\d+\s*:/.test(line)) break; // the next key of the file
    const found = IN_BLOCK.exec(line);
    if (!found) return null;
    entries.push(entryOf(found));
  }
  return entries;
}

function entryOf([, key, scalar]) {
  return { key: key === undefined ? null : Number(key), name: unquoted(scalar.trim()) };
}

function unquoted(text) {
  if (text[0] === "'") return text.slice(1, -1).replaceAll("''", "'");
  return text[0] === '"' ? text.slice(1, -1).replace(/\\(.)/g, "$1") : text;
}

/** A comment starts with # at the start of a line or after a space, outside of quotes. */
function withoutComment(line) {
  return /^(?:'[^']*'|"[^"]*"|(?<=\S)#|[^#])*/.exec(line)[0].trimEnd();
}

function checked(names, fileName) {
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new Fault(fileName, `it has the class “${twice}” twice`);
  return names;
}
