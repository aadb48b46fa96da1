// Files that the browser saves.

const SECONDS = 60; // in which the browser has begun to read the file

export function download(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000 * SECONDS);
}
