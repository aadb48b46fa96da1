// The button that opens the server's numbers, whose modules are loaded then.

import { on } from "../elements.js";
import { onceLoaded } from "../part.js";

export function mountNumbers() {
  const load = onceLoaded(async () => (await import("./numbers.js")).makeNumbers());
  on("numbers-open", "click", async () => (await load())?.show());
}
