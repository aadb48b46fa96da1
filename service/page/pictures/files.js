// Files as they come in: which of them are pictures, and those in dropped folders.

const PICTURE_NAME = /\.(jpe?g|png|webp|bmp|gif)$|^[^.]+$/i; // of a file whose kind the browser does not know

export function isPicture({ type, name }) {
  return type ? type.startsWith("image/") : PICTURE_NAME.test(name);
}

/**
 * The files of a drop, with those in its folders at any depth, in the order of their names. What cannot be read comes
 * as an empty file that is no picture, so that the visitor is told its name.
 */
export async function filesOf(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()); // at once: the items end with the event
  if (!entries.some((entry) => entry?.isDirectory)) return [...transfer.files];
  const files = await Promise.all(entries.filter(Boolean).map(filesIn));
  return files.flat();
}

async function filesIn(entry) {
  if (entry.isFile) return [await new Promise((resolve) => entry.file(resolve, () => resolve(unreadable(entry))))];
  const reader = entry.createReader();
  const entries = [];
  for (;;) {
    const some = await new Promise((resolve) => reader.readEntries(resolve, () => resolve(null))); // 100 at most
    if (!some) return [unreadable(entry)];
    if (!some.length) break;
    entries.push(...some);
  }
  const visible = entries.filter(({ name }) => !name.startsWith("."));
  visible.sort((a, b) => a.name.localeCompare(b.name, undefined, { numeric: true }));
  return (await Promise.all(visible.map(filesIn))).flat();
}

function unreadable({ name }) {
  return new File([], name, { type: "application/octet-stream" });
}
