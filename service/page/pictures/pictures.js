// The visitor's pictures: which they are, which one is selected, and which can be brought back.

import { Queue } from "./queue.js";

/** The fields of a picture whose request was not sent yet. */
export const UNSENT = { state: "waiting", answer: null, problem: null, drops: 0 };

/**
 * `list` holds {file, url, state, answer, problem}, in the order in which they were added; the state is waiting,
 * running, done or failed. `shown` is the same list in the order in which the page shows it.
 * `removal` is null, or the last removal, which undo() takes back: {isAll, entries: [{picture, index}], selected}.
 * `ask`, `isThere` and `onChange` are those of Queue.
 */
export class Pictures {
  list = [];
  shown = [];
  selected = null;
  removal = null;
  leftOut = []; // the names of the files that came with the last pictures and are none

  constructor(ask, isThere, onChange) {
    this.queue = new Queue(() => this.list, ask, isThere, onChange);
  }

  /** Add these files, and select the first of them. */
  add(files) {
    if (!files.length) return;
    this.forget();
    const added = files.map((file) => ({ file, url: URL.createObjectURL(file), ...UNSENT }));
    this.list.push(...added);
    this.shown = [...this.shown, ...added];
    this.selected = added[0];
    this.queue.send();
  }

  select(picture) {
    this.selected = picture;
  }

  /** The picture that is shown `steps` after this one; the last one or the first one if there are not so many. */
  near(picture, steps) {
    const place = this.shown.indexOf(picture) + steps;
    return this.shown[Math.min(Math.max(place, 0), this.shown.length - 1)] ?? null;
  }

  /** Remove one picture -> the picture beside it, null if it was the last; removals one after another are one. */
  remove(picture) {
    if (this.removal?.isAll !== false) this.forget();
    const index = this.list.indexOf(picture);
    const isEnd = this.shown.at(-1) === picture;
    const neighbour = this.list.length > 1 ? this.near(picture, isEnd ? -1 : 1) : null;
    this.removal ??= { isAll: false, entries: [], selected: this.selected };
    this.removal.entries.push({ picture, index });
    this.#takeOut([picture]);
    if (this.selected === picture) this.selected = neighbour;
    return neighbour;
  }

  clear() {
    this.forget();
    const entries = this.list.map((picture, index) => ({ picture, index }));
    this.removal = { isAll: true, entries: entries.reverse(), selected: this.selected };
    this.#takeOut(this.list);
    this.selected = null;
  }

  #takeOut(pictures) {
    const gone = new Set(pictures);
    this.queue.stop(pictures);
    this.list = this.list.filter((picture) => !gone.has(picture));
    this.shown = this.shown.filter((picture) => !gone.has(picture));
  }

  /** Put the pictures of the last removal back into their places; those without an answer are sent. */
  undo() {
    const { entries, selected } = this.removal;
    this.removal = null;
    for (const { picture, index } of entries.toReversed()) this.list.splice(index, 0, picture);
    const known = new Set(this.list);
    this.shown = [...this.shown.filter((picture) => known.has(picture)), ...entries.map(({ picture }) => picture)];
    this.selected = selected;
    this.queue.send();
  }

  /** From now on the last removal is final, and nothing is told about the last pictures. */
  forget() {
    for (const { picture } of this.removal?.entries ?? []) URL.revokeObjectURL(picture.url);
    this.removal = null;
    this.leftOut = [];
  }

  /** Send these pictures again. */
  resend(pictures) {
    this.queue.stop(pictures);
    for (const picture of pictures) Object.assign(picture, UNSENT);
    this.queue.send();
  }

  /** Send all pictures again, at once, because they are to be answered in another way. */
  resendAll() {
    for (const { picture } of this.removal?.entries ?? []) Object.assign(picture, UNSENT);
    this.queue.resume();
    this.resend(this.list);
  }
}
