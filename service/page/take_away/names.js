// Names of files, made from the names of pictures.

// characters that a file's name cannot have, or that lead out of a folder, on Windows, macOS or Linux
const UNSAFE = /[\u0000-\u001f\u007f<>:"/\\|?*]|^[. ]+$|[. ]+$/g;

export const safe = (name) => name.replace(UNSAFE, "_");

/** A picture's name without its suffix: cells of cells.png. */
export const stemOf = (name) => partsOf(name)[0];

/** The name of a drawn picture, as `singleshot detect` has it: that of the picture, with .jpg if it is no JPEG. */
export const drawnName = (name) => (/\.jpe?g$/i.test(name) ? name : `${name}.jpg`);

/** names -> the same in their order, each once: a.png, a (2).png. Upper and lower case count as the same letter. */
export function distinct(names) {
  const taken = new Set();
  const keyOf = (name) => name.normalize().toLowerCase();
  const given = new Set(names.map(keyOf)); // a picture that has such a name itself keeps it
  return names.map((name) => {
    const [stem, suffix] = partsOf(name);
    let free = name;
    for (let number = 2; taken.has(keyOf(free)) || (free !== name && given.has(keyOf(free))); number++) {
      free = `${stem} (${number})${suffix}`;
    }
    taken.add(keyOf(free));
    return free;
  });
}

function partsOf(name) {
  const [, stem, suffix] = /^(.+?)(\.[^.]+)?$/s.exec(name) ?? [null, "picture", ""];
  return [stem, suffix ?? ""];
}
