// What a visitor should know about the ground truth, in sentences.

/** Sentences about a Truth, the pictures of the page, the judgements of all of them, and that of the selected one. */
export function notesOf(truth, pictures, all, one) {
  const names = pictures.map(({ file }) => file.name);
  const numKnown = names.filter((name) => truth.of(name)).length;
  const numOthers = truth.numOthers(names);
  const unknown = countNames(all.flatMap((judged) => judged.unknown));
  const numUncounted = all.flatMap(({ objects }) => objects).filter((o) => o.isDifficult || o.isCrowd).length;
  const isOfNumbers = [...truth.files.values()].some(({ format }) => format === "YOLO");
  const notes = [
    pictures.length && `There is ground truth for ${numKnown} of ${counted(pictures.length, "picture")}.`,
    numOthers === 1 && "1 annotated picture is not here; its boxes are kept until it comes.",
    numOthers > 1 && `${numOthers} annotated pictures are not here; their boxes are kept until they come.`,
    isOfNumbers && ofNumbers(truth),
    unknown && `The model has no class of these names, so their boxes are not counted: ${unknown}.`,
    numUncounted && `Neither hit nor missed: ${counted(numUncounted, "object")} marked as difficult or as a crowd.`,
  ];
  const ofOne = [...new Set(one?.notes)].map((note) => `This picture: ${note}.`);
  return [...notes.filter(Boolean), ...ofOne];
}

function ofNumbers({ classNames }) {
  const rows = "The class numbers of YOLO's files";
  if (classNames) return `${rows} are named by ${classNames.fileName}.`;
  return `${rows} are taken as the order of the model's classes. If it differs, add their classes.txt or data.yaml.`;
}

function counted(count, noun) {
  return `${count} ${count === 1 ? noun : `${noun}s`}`;
}

/** Names -> “RBC (3), WBC (1)”, the most frequent first. */
function countNames(names) {
  const counts = new Map();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  const sorted = [...counts].sort(([, a], [, b]) => b - a);
  return sorted.map(([name, count]) => `${name} (${count})`).join(", ");
}
