// Work for many pictures, done while the page has nothing else to do.

const whenIdle = window.requestIdleCallback ?? ((run) => setTimeout(() => run({ timeRemaining: () => 8 }), 0));

/** `onStep()` is called each time that some of the work is done. */
export class IdleWork {
  #left = [];
  #work = null;
  #isAwaited = false;

  constructor(onStep) {
    this.onStep = onStep;
  }

  /** Call `work(item)` for each of these items, in place of all that is left to do. */
  replace(items, work) {
    [this.#left, this.#work] = [items, work];
    if (!items.length || this.#isAwaited) return;
    this.#isAwaited = true;
    whenIdle((deadline) => this.#doSome(deadline), { timeout: 200 });
  }

  #doSome(deadline) {
    this.#isAwaited = false;
    if (!this.#left.length) return;
    do this.#work(this.#left.pop());
    while (this.#left.length && deadline.timeRemaining() > 4);
    this.onStep();
  }
}
