// The models that the server has, and which of them is chosen.

import { Problem, listModels } from "./client.js";

/** `onList()` is called after the list has come, `onProblem(problem)` after each refusal. */
export class Models {
  list = [];
  faults = []; // of bundles that are not served as they are on disk
  chosen = null;
  onList = () => {};
  onProblem = () => {};
  #announceChoice;
  #isChosen = new Promise((resolve) => (this.#announceChoice = resolve));

  /** Request the list, and repeat this until it comes or the server refuses the key. */
  async load() {
    try {
      ({ models: this.list, faults: this.faults } = await listModels());
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      const seconds = Math.max(error.retrySeconds ?? 0, 3); // the server may be starting
      if (error.status !== 401) setTimeout(() => this.load(), 1000 * seconds);
      this.onProblem(error);
      return;
    }
    this.onList();
  }

  choose(index) {
    this.chosen = this.list[index];
    this.#announceChoice();
  }

  /** The chosen model; waits until there is one. */
  async whenChosen() {
    await this.#isChosen;
    return this.chosen;
  }

  /** The parameters of /detect that name a model, by default the chosen one; the version is null if no other model has that name. */
  named({ name, version } = this.chosen) {
    return { model: name, version: this.#isAlone(name) ? null : version };
  }

  /** A text for each model by which a visitor tells them apart. */
  texts() {
    return this.list.map(({ name, version }) => (this.#isAlone(name) ? name : `${name}, version ${version}`));
  }

  #isAlone(name) {
    return this.list.filter((other) => other.name === name).length === 1;
  }
}
