// The elements of a list of pictures: one for each, in their order.

/** `list` is the element around them; `make(picture)` -> a view, whose `item` is the picture's element in the list. */
export class Views {
  #views = new Map();

  constructor(list, make) {
    this.list = list;
    this.make = make;
  }

  get(picture) {
    return this.#views.get(picture);
  }

  /** The picture and the view whose item holds `target`; empty if none does. */
  around(target) {
    return [...this.#views].find(([, { item }]) => item.contains(target)) ?? [];
  }

  clear() {
    this.#views.clear();
    this.list.replaceChildren();
  }

  /** Bring the list into line with `pictures`, and move no element that is in its place: there may be hundreds. */
  arrange(pictures) {
    const left = new Set(pictures);
    for (const [picture, { item }] of this.#views) {
      if (left.has(picture)) continue;
      item.remove();
      this.#views.delete(picture);
    }
    const focused = document.activeElement;
    let next = this.list.firstChild;
    for (const picture of pictures) {
      if (!this.#views.has(picture)) this.#views.set(picture, this.make(picture));
      const { item } = this.#views.get(picture);
      if (item === next) next = next.nextSibling;
      else this.list.insertBefore(item, next);
    }
    // an element that was moved has lost the focus
    if (this.list.contains(focused) && focused !== document.activeElement) focused.focus({ preventScroll: true });
  }
}
