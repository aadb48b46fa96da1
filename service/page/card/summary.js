// What the page says of a model in one line each.

const MAX_CLASSES = 6;

/** What the model finds: the words of its card, or the names of its classes. */
export function descriptionOf({ card, classes }) {
  return card?.description ?? `Finds ${listed(classes)}.`;
}

/** The measured values as texts, such as "AP50 0.913 on bccd/test"; the manifest names them "bccd/test AP50". */
export function measuresOf({ metrics }) {
  return Object.entries(metrics).map(([name, value]) => {
    const [, place, measure] = name.match(/^(.+) (\S+)$/) ?? [null, null, name];
    return `${measure} ${value.toFixed(3)}${place ? ` on ${place}` : ""}`;
  });
}

export function engineOf({ engine, engine_description: description }) {
  return `${engine} ${description}`;
}

function listed(names) {
  if (names.length === 1) return names[0];
  const shown = names.slice(0, names.length > MAX_CLASSES ? MAX_CLASSES : names.length - 1);
  const rest = names.length - shown.length;
  return `${shown.join(", ")} and ${rest === 1 ? names.at(-1) : `${rest} other classes`}`;
}
