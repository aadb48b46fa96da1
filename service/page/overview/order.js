// The order in which pictures are shown.

const collator = new Intl.Collator(undefined, { numeric: true }); // 9.png before 10.png

/** The orders that the strip offers: {title, valueOf(summary)}; the smallest value is first. */
export const ORDERS = {
  added: { title: "As added", valueOf: null },
  most: { title: "Most found", valueOf: ({ count }) => -count },
  fewest: { title: "Fewest found", valueOf: ({ count }) => count },
  lowest: { title: "Lowest score", valueOf: ({ lowest }) => lowest },
};

/** Pictures by a value, a number or a text; equal ones keep their order, and those without a value (null) are last. */
export function sorted(pictures, valueOf, isDescending = false) {
  const values = new Map(pictures.map((picture) => [picture, valueOf(picture)]));
  const sign = isDescending ? -1 : 1;
  return [...pictures].sort((a, b) => {
    const [left, right] = [values.get(a), values.get(b)];
    if (left === null || right === null) return (left === null) - (right === null);
    return sign * (typeof left === "string" ? collator.compare(left, right) : left - right);
  });
}

/** Keeps the pictures in the order of a key. While answers come, no picture changes its place. */
export class Order {
  pictures = [];
  #key = null;

  /**
   * Bring the order into line with `list`: sort it again if the key is another one or if the values are settled;
   * otherwise add new pictures at the end. `valueOf` null is the list's own order.
   */
  arrange(list, key, valueOf, isDescending, isSettled) {
    if (!valueOf) this.pictures = list;
    else if (isSettled || key !== this.#key) this.pictures = sorted(list, valueOf, isDescending);
    else {
      const [left, old] = [new Set(list), new Set(this.pictures)];
      const kept = this.pictures.filter((picture) => left.has(picture));
      this.pictures = [...kept, ...list.filter((picture) => !old.has(picture))];
    }
    this.#key = key;
    return this.pictures;
  }
}
