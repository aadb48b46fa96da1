// The cards of the models: a dialog with all that the server knows about one of them.

import { swatch } from "../colours.js";
import { makeDialog } from "../dialog.js";
import { element, sentence } from "../elements.js";
import { exampleButtons } from "../pictures/examples.js";
import { hasKey } from "../server/client.js";
import { furtherFacts, mainFacts } from "./facts.js";
import { descriptionOf } from "./summary.js";

/** The dialog; `show()` opens it with the card of the chosen model, and the visitor can look at those of the others. */
export async function makeCards(page) {
  const { dialog, heading, body } = await makeDialog("card", "");
  const choice = element("select", { id: "card-model" });
  const field = element("label", { className: "field" }, element("span", {}, "Model"), choice);
  const content = element("div", { className: "content" });
  body.append(field, content);
  const take = (file) => {
    dialog.close();
    page.add([file]);
  };
  const fill = () => {
    heading.textContent = page.models.texts()[choice.value];
    content.replaceChildren(...cardOf(page.models.list[choice.value], page.models.faults, take));
  };
  choice.addEventListener("change", fill);
  const show = () => {
    if (dialog.open) return;
    choice.replaceChildren(...page.models.texts().map((text, index) => new Option(text, index)));
    choice.value = page.models.list.indexOf(page.models.chosen);
    field.hidden = page.models.list.length < 2;
    fill();
    dialog.showModal();
  };
  return { show };
}

function cardOf(model, faults, take) {
  return [
    element("p", { className: "lead" }, descriptionOf(model)),
    listOf([...mainFacts(model), ...(model.card?.link ? [["More", linkTo(model.card.link)]] : [])]),
    element("h3", {}, model.classes.length === 1 ? "Class" : `${model.classes.length} classes`),
    element("ul", { className: "names" }, ...model.classes.map(nameOf)),
    element("h3", {}, "Try it with an example"),
    element("ul", { className: "thumbnails" }, ...exampleButtons(model, take)),
    ...(model.card?.credit ? [element("p", { className: "quiet" }, `Pictures: ${sentence(model.card.credit)}`)] : []),
    element("h3", {}, "For those who run or call it"),
    listOf(furtherFacts(model)),
    ...faultsOf(faults),
    ...(hasKey() ? [] : [element("p", {}, element("a", { href: "models" }, "All models as JSON"))]), // it sends no key
  ];
}

function nameOf(name, label) {
  return element("li", {}, swatch(label), name);
}

function listOf(facts) {
  return element("dl", {}, ...facts.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]));
}

function linkTo(address) {
  return element("a", { href: address, rel: "noreferrer", target: "_blank" }, address.replace("https://", ""));
}

function faultsOf(faults) {
  if (!faults.length) return [];
  const texts = faults.map(({ model, fault, reason }) => `${model} is ${fault}: ${sentence(reason)}`);
  const items = texts.map((text) => element("li", {}, text));
  return [element("h3", {}, "Bundles that are not served as they are on disk"), element("ul", {}, ...items)];
}
