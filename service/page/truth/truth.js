// The ground truth of the visitor's pictures: what the files say, and to which pictures it belongs.

import { Fault } from "./fault.js";
import { readTruth } from "./read.js";

/**
 * `files` is Map of name -> {format, count}, in the order in which they came; `faults` are the Faults of files.
 * `iouThreshold` is the IoU from which a detection hits an object.
 * `classNames` is null, or {fileName, names}: the names of YOLO's numbers.
 */
export class Truth {
  files = new Map();
  faults = [];
  classNames = null;
  iouThreshold = 0.5;
  #numKept = 0; // files; of what two of them say about a picture, the newer is valid
  #own = new Map(); // name or stem of a picture -> what a file of this name, or an entry of a file, says
  #said = new Map(); // the same for the name that a VOC file itself gives

  /** Read these files. A file that is not understood leaves a fault, and all others stay. */
  async add(files) {
    const names = new Set(files.map(({ name }) => name));
    this.faults = this.faults.filter(({ fileName }) => !names.has(fileName));
    for (const file of files) {
      try {
        this.#keep(file.name, await readTruth(file));
      } catch (error) {
        if (!(error instanceof Fault)) throw error;
        this.faults.push(error);
      }
    }
  }

  clear() {
    for (const map of [this.files, this.#own, this.#said]) map.clear();
    this.faults = [];
    this.classNames = null;
  }

  /** What the newest file says of the picture with this file name: {size, objects, format}; null if none does. */
  of(fileName) {
    const keys = [baseOf(fileName), stemOf(fileName)];
    const [own, said] = [this.#own, this.#said].map((map) => keys.map((key) => map.get(key)).filter(Boolean));
    const newest = (images) => images.reduce((a, b) => (b.order > a.order ? b : a));
    return own.length ? newest(own) : said.length ? newest(said) : null;
  }

  /** How many annotated pictures are none of those with these file names. */
  numOthers(fileNames) {
    const known = new Set(fileNames.map((name) => this.of(name)));
    return [...new Set(this.#own.values())].filter((image) => !known.has(image)).length;
  }

  #keep(fileName, { format, images, classNames }) {
    this.#numKept += 1;
    this.files.set(fileName, { format, count: images.length });
    if (classNames) this.classNames = { fileName, names: classNames };
    const bases = images.map(({ names }) => baseOf(names[0]));
    const repeated = repeatedOf(bases);
    if (repeated.size) {
      const text = "several of its images are called so in different folders, and they are left out";
      this.faults.push(new Fault(fileName, `${[...repeated].slice(0, 3).join(", ")}: ${text}`));
    }
    for (const [index, { names, size, objects }] of images.entries()) {
      if (repeated.has(bases[index])) continue;
      const image = { format, size, objects, order: this.#numKept };
      for (const key of [baseOf(names[0]), stemOf(names[0])]) this.#own.set(key, image);
      for (const name of names.slice(1)) this.#said.set(baseOf(name), image).set(stemOf(name), image);
    }
  }
}

function repeatedOf(values) {
  const seen = new Set();
  return new Set(values.filter((value) => seen.has(value) || !seen.add(value)));
}

/** The name of a file without its folders. */
function baseOf(path) {
  return path.split(/[/\\]/).at(-1);
}

/** The same without its suffix. */
function stemOf(path) {
  return baseOf(path).replace(/\.[^.]*$/, "");
}

/**
 * The objects that Truth.of() gives, in the pixels of a picture of `size` and with the labels of `classes` ->
 * {objects: [{label, box, isDifficult, isCrowd}], unknown: [name, ...], notes: [text, ...]}.
 * `unknown` has the name of each object that is left out, because the model has no such class.
 */
export function fitted({ objects, size: said, format }, size, classes, classNames) {
  const names = classNames?.names ?? classes;
  const [known, unknown, notes] = [[], [], []];
  for (const { name, number, box, isShares, ...flags } of objects) {
    const named = name ?? names[number] ?? `number ${number}`;
    const label = classes.indexOf(named);
    const scale = isShares ? [size.width, size.height] : [1, 1];
    const edges = box.map((edge, index) => {
      const limit = index % 2 ? size.height : size.width;
      return Math.min(Math.max(edge * scale[index % 2], 0), limit);
    });
    if (label < 0) unknown.push(named);
    else if (edges[2] > edges[0] && edges[3] > edges[1]) known.push({ label, box: edges, ...flags });
    else notes.push("a box without area, or outside of the picture, is left out");
  }
  if (said && (said.width !== size.width || said.height !== size.height)) {
    const [theirs, ours] = [said, size].map(({ width, height }) => `${width} × ${height}`);
    notes.push(`its ${format} file is for ${theirs} pixels and the picture has ${ours}, so the boxes may not fit`);
  }
  return { objects: known, unknown, notes };
}
