// Elements of the page: found, made and changed.

export const $ = (id) => document.getElementById(id);

/** React to an event of the element with this id. */
export function on(id, kind, react) {
  $(id).addEventListener(kind, react);
}

/** An element with properties and children; `style` may set custom properties. */
export function element(name, { style = {}, ...properties } = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  for (const [property, value] of Object.entries(style)) made.style.setProperty(property, value);
  made.append(...children);
  return made;
}

/** Sets a text only if it differs: screen readers speak a live region each time that its text is set. */
export function setText(id, text) {
  setTextOf($(id), text);
}

export function setTextOf(part, text) {
  if (part.textContent !== text) part.textContent = text;
}

/** A server's words as a sentence: with a capital and a full stop. */
export function sentence(text) {
  const trimmed = text.trim();
  return trimmed ? `${trimmed[0].toUpperCase()}${trimmed.slice(1)}${/[.?!]$/.test(trimmed) ? "" : "."}` : "";
}
