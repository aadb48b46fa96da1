// A large picture at several sizes, decoded once for all views that show it.

const known = new Map(); // File -> Levels

/** The levels of a picture for one more view, which has to give them back with `release()`. */
export function levelsFor(file, onReady) {
  if (!known.has(file)) known.set(file, new Levels(file));
  const levels = known.get(file);
  levels.add(onReady);
  return levels;
}

class Levels {
  list = null; // as pyramid.js gives them
  #reactions = new Set();
  #worker = new Worker(new URL("pyramid.js", import.meta.url), { type: "module" });

  constructor(file) {
    this.file = file;
    this.#worker.onmessage = ({ data }) => {
      this.#worker.terminate();
      this.list = data;
      for (const react of this.#reactions) react();
    };
    this.#worker.postMessage(file);
  }

  add(onReady) {
    this.#reactions.add(onReady);
  }

  /** The last view that releases them frees their memory. */
  release(onReady) {
    this.#reactions.delete(onReady);
    if (this.#reactions.size) return;
    known.delete(this.file);
    this.#worker.terminate();
    for (const { tiles } of this.list ?? []) for (const { bitmap } of tiles) bitmap.close();
  }
}
