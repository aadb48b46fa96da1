// Tells ground truth from pictures, before it is read.

const SUFFIX = /\.(xml|json|txt|names|ya?ml)$/i;
const TYPES = ["text/xml", "application/xml", "application/json", "text/plain", "application/yaml", "text/yaml"];

/** What a file chooser offers. */
export const TRUTH_FILES = ".xml,.json,.txt,.names,.yaml,.yml";

/** Whether a file may hold ground truth; no file does that claims to be an image. */
export function isTruth({ name, type }) {
  return !type.startsWith("image/") && (SUFFIX.test(name) || TYPES.includes(type));
}
