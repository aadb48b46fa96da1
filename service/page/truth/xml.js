// Parses XML, and says in words where a text is no XML.

import { Fault } from "./fault.js";

const NO_TAG = String.raw`<!--[^]*?-->|<\?[^]*?\?>|<!\[CDATA\[[^]*?\]\]>|<!DOCTYPE[^>]*>`;
const ATTRIBUTE = String.raw`\s+[^\s=>]+\s*=\s*(?:"[^"<]*"|'[^'<]*')`;
const TAG = String.raw`<(\/?)([^\s\/<>!?]+)(?:${ATTRIBUTE})*\s*(\/?)>`;
const STRAY = String.raw`<|&(?!#?\w+;)`;

/** The root element of an XML text; throws Fault. */
export function rootOf(text, fileName) {
  checkTags(text, fileName);
  const parsed = new DOMParser().parseFromString(text, "application/xml");
  const error = parsed.querySelector("parsererror");
  if (!error) return parsed.documentElement;
  const place = /line (?:number )?(\d+)/i.exec(error.textContent);
  throw new Fault(fileName, `it is not well-formed XML${place ? `; the first error is in line ${place[1]}` : ""}`);
}

/** Finds what is usually wrong before the browser's parser does, which puts a styled page in place of the document. */
function checkTags(text, fileName) {
  const open = [];
  const refuse = (fault, { index }) => {
    const line = text.slice(0, index).split("\n").length;
    throw new Fault(fileName, `it is not well-formed XML: ${fault} in line ${line}`);
  };
  for (const found of text.matchAll(new RegExp(`${NO_TAG}|${TAG}|(${STRAY})`, "g"))) {
    const [, isEnd, name, isEmpty, stray] = found;
    if (stray) refuse(`there is a stray “${stray}”`, found);
    if (!name || isEmpty) continue;
    if (!isEnd) open.push({ name, index: found.index });
    else if (open.pop()?.name !== name) refuse(`</${name}> closes no <${name}>`, found);
  }
  if (open.length) refuse(`<${open.at(-1).name}> is not closed; it starts`, open.at(-1));
}

/** The elements directly in `element` with this tag, whatever their namespace is. */
export function childrenOf(element, tag) {
  return [...element.children].filter(({ localName }) => localName === tag);
}

/** The text of the first of them, or "". */
export function textOf(element, tag) {
  return childrenOf(element, tag)[0]?.textContent.trim() ?? "";
}
