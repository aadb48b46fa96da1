// The button that opens the server's numbers, whose modules are loaded then.

import { on } from "../elements.js";

export function mountNumbers() {
  on("numbers-open", "click", async () => (await import("./numbers.js")).showNumbers());
}
