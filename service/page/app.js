// The page: its parts, in the order in which they are drawn. Those of work.js come when the page stands.

import { mountMenus } from "./controls/menus.js";
import { mountTabs } from "./controls/tabs.js";
import { $ } from "./elements.js";
import { mountLive } from "./live/offer.js";
import { mountNumbers } from "./numbers/offer.js";
import { Page } from "./page.js";
import { mountClasses } from "./panels/classes.js";
import { mountFold } from "./panels/fold.js";
import { mountModel } from "./panels/model.js";
import { mountPause } from "./panels/pause.js";
import { mountSettings } from "./panels/settings.js";
import { mountTiles } from "./panels/tiles.js";
import { isFailedImport } from "./part.js";
import { mountIntake } from "./pictures/intake.js";

const PARTS = [
  ...[mountFold, mountSettings, mountTiles, mountClasses, mountIntake, mountPause, mountLive, mountNumbers],
  ...[mountMenus, mountTabs],
  mountModel, // the last, because it loads the models, and the choice of one starts all others
];
const RETRY_SECONDS = 2; // the server may be gone for a while

/** Load what shows pictures; it is drawn as soon as it is there. */
async function loadWork(page) {
  try {
    const { WORK } = await import("./work.js");
    for (const mount of WORK) mount(page);
  } catch (error) {
    if (!isFailedImport(error)) throw error;
    setTimeout(loadWork, 1000 * RETRY_SECONDS, page);
    return;
  }
  $("work").removeAttribute("aria-busy");
  page.request();
}

const page = new Page();
for (const mount of PARTS) mount(page);
page.models.whenChosen().then(() => loadWork(page)); // nothing is drawn before
