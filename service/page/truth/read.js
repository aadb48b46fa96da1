// Recognises a file of ground truth by its content, and reads it.

import { readNameList, readYamlNames } from "./class_names.js";
import { readCoco } from "./coco.js";
import { Fault } from "./fault.js";
import { readVoc } from "./voc.js";
import { readYolo } from "./yolo.js";

const MOST_BYTES = 256 * 2 ** 20; // more than this makes a text longer than browsers allow, once it is parsed
const NAME_LIST = /(^|[._-])(classes|labels|names)\.txt$|\.names$/i;
const UNKNOWN = "it is no ground truth of VOC, COCO or YOLO; the names of YOLO's classes are in classes.txt or data.yaml";

/**
 * A File -> {format, images, classNames}; throws Fault.
 * `images` is [{names, size, objects}]: `names` are the names that the picture's file may have, with folders and any
 * suffix; `size` is {width, height} or null; an object is {name, box, isDifficult, isCrowd} with the box xyxy in
 * pixels, or {number, box, isShares} with it in shares of the picture's sides.
 * `classNames` is null, or the names of the numbers.
 */
export async function readTruth(file) {
  if (file.size > MOST_BYTES) throw new Fault(file.name, "it has more than 256 MB, and a page cannot read so much");
  const text = decoded(new Uint8Array(await file.arrayBuffer()), file.name);
  const start = text.trimStart();
  if (start.startsWith("<")) return { format: "VOC", images: readVoc(start, file.name), classNames: null };
  if (/^[{[]/.test(start)) return { format: "COCO", images: readCoco(text, file.name), classNames: null };
  if (/\.json$/i.test(file.name)) throw new Fault(file.name, "it is not JSON");
  if (/\.xml$/i.test(file.name)) throw new Fault(file.name, "it is not XML");
  if (/\.ya?ml$/i.test(file.name) || /^names\s*:/m.test(text)) {
    return { format: "names", images: [], classNames: readYamlNames(text, file.name) };
  }
  if (NAME_LIST.test(file.name)) return { format: "names", images: [], classNames: readNameList(text, file.name) };
  if (/^[^\d\s.+-]/.test(start)) throw new Fault(file.name, UNKNOWN);
  return { format: "YOLO", images: readYolo(text, file.name), classNames: null };
}

/** UTF-8, or what the text says at its start: a mark of UTF-16, or the encoding of XML. */
function decoded(bytes, fileName) {
  const mark = (bytes[0] << 8) | bytes[1];
  const head = String.fromCharCode(...bytes.subarray(0, 100));
  const declared = /^<\?xml[^>]*encoding=["']([\w-]+)/.exec(head)?.[1] ?? "utf-8";
  const encoding = mark === 0xfffe ? "utf-16le" : mark === 0xfeff ? "utf-16be" : declared;
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes);
  } catch {
    throw new Fault(fileName, "it is not a text; save it as UTF-8");
  }
}
