// The example pictures of a model, each of them a button.

import { $, element } from "../elements.js";
import { examplesOf } from "../server/client.js";

/** Show the examples of `model`; give each one that is chosen, as a File, to `onPicture`. */
export function showExamples(model, onPicture) {
  const { examples, isCredited } = examplesOf(model);
  $("examples").hidden = false;
  $("credit").hidden = !isCredited;
  const buttons = examples.map(({ name, load }, index) => {
    const image = element("img", { alt: "" });
    const button = element("button", { type: "button", ariaLabel: `Example ${index + 1}` }, image);
    load().then(
      (blob) => {
        image.src = URL.createObjectURL(blob);
        button.addEventListener("click", () => onPicture(new File([blob], name, { type: blob.type })));
      },
      () => (button.hidden = true),
    );
    return element("li", {}, button);
  });
  $("example-list").replaceChildren(...buttons);
}
