// Texts as literals of Python and JavaScript.

// controls, and the invisible characters that change the order or the look of the code around them
const HIDDEN = /[\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;

/** A value of JSON as a literal that both languages read alike: a text in double quotes, a number, a list of them. */
export function literal(value) {
  if (Array.isArray(value)) return `[${value.map(literal).join(", ")}]`;
  const escape = (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return JSON.stringify(value).replaceAll(HIDDEN, escape);
}
