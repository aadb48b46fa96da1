// Results as JSON: an answer of POST /detect to all pictures, and the settings that it was made with.

export function answerText({ model, version, settings, pictures }) {
  return `${JSON.stringify({ model, version, settings, results: pictures.map(({ result }) => result) }, null, 2)}\n`;
}
