// The menus that save the selected picture's result, and those of all pictures.

import { $, on } from "../elements.js";
import { snapshotOf } from "./snapshot.js";
import { dismiss, finish, mountTaking } from "./taking.js";

export function mountSaveMenus(page) {
  const { pictures } = page;
  mountTaking();
  offer("save", () => ({ ...snapshotOf(page, [pictures.selected]), isOfAll: false }));
  offer("save-all", () => ({ ...snapshotOf(page, pictures.list), isOfAll: true }));
  page.addPart(() => {
    const hasAnswer = Boolean(pictures.selected?.answer);
    if (hasAnswer) load().catch(() => {}); // now, because the server may be gone when the visitor saves
    setEnabled("save", hasAnswer);
    setEnabled("save-all", pictures.list.some(({ answer }) => answer));
    $("save-all").hidden = pictures.list.length < 2;
  });
}

/** Each button of the menu names its form in `data-form`. */
function offer(id, snapshot) {
  on(id, "click", async ({ target }) => {
    const form = target.closest("[data-form]")?.dataset.form;
    if (!form) return;
    const taken = snapshot(); // before the wait
    $(id).querySelector("summary").focus(); // the entry goes with the menu
    const files = await load().catch(() => null);
    if (files) await files.take(form, taken);
    else finish("The server does not answer, and the page has not loaded this part before.");
  });
  on(id, "click", (event) => {
    if (event.target.closest('[aria-disabled="true"]')) event.preventDefault();
  });
  on(id, "toggle", () => $(id).open && dismiss());
}

let loading = null;

/** What makes the files; most visitors do not need it at once. */
function load() {
  loading ??= import("./files.js").catch((error) => {
    loading = null;
    throw error;
  });
  return loading;
}

/** Let the menu open or not; its button keeps the focus. */
function setEnabled(id, isEnabled) {
  $(id).querySelector("summary").ariaDisabled = String(!isEnabled);
  if (!isEnabled) $(id).open = false;
}
