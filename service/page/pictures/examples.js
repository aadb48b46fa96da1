// The example pictures of a model, each of them a button.

import { $, element, sentence } from "../elements.js";
import { examplesOf } from "../server/client.js";

/** Show the examples of `model` and their source; give each one that is chosen, as a File, to `onPicture`. */
export function showExamples(model, onPicture) {
  $("examples").hidden = false;
  $("example-list").replaceChildren(...exampleButtons(model, onPicture));
  const { credit, link } = model.card ?? {};
  const words = credit ? `Example pictures: ${sentence(credit)}` : "";
  $("credit").replaceChildren(" ", words && link ? element("a", { href: link, rel: "noreferrer" }, words) : words);
}

/** The items of a list of buttons, one for each example of `model`. */
export function exampleButtons(model, onPicture) {
  return examplesOf(model).map(({ name, load }, index) => {
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
}
