// The page: its parts, in the order in which they are drawn.

import { mountCode } from "./code/code.js";
import { mountCompare } from "./compare/mount.js";
import { mountMenus } from "./controls/menus.js";
import { mountTabs } from "./controls/tabs.js";
import { mountKeys } from "./overview/keys.js";
import { mountNotice } from "./overview/notice.js";
import { mountProgress } from "./overview/progress.js";
import { mountStrip } from "./overview/strip.js";
import { mountTableButton } from "./overview/table_button.js";
import { Page } from "./page.js";
import { mountLive } from "./live/offer.js";
import { mountNumbers } from "./numbers/offer.js";
import { mountClasses } from "./panels/classes.js";
import { mountFold } from "./panels/fold.js";
import { mountFound } from "./panels/found.js";
import { mountModel } from "./panels/model.js";
import { mountPause } from "./panels/pause.js";
import { mountProblem } from "./panels/problem.js";
import { mountSettings } from "./panels/settings.js";
import { mountTime } from "./panels/time.js";
import { mountTiles } from "./panels/tiles.js";
import { mountIntake } from "./pictures/intake.js";
import { mountSaveMenus } from "./take_away/save_menus.js";
import { mountTruth } from "./truth/mount.js";
import { mountViewer } from "./viewer/viewer.js";

const PARTS = [
  mountFold,
  ...[mountSettings, mountTiles, mountClasses, mountIntake, mountStrip, mountViewer, mountProblem],
  ...[mountProgress, mountPause, mountKeys, mountNotice, mountTableButton],
  ...[mountFound, mountCompare, mountTruth, mountTime, mountCode, mountSaveMenus, mountMenus, mountTabs],
  ...[mountLive, mountNumbers],
  mountModel, // the last, because it loads the models, and the choice of one starts all others
];

const page = new Page();
for (const mount of PARTS) mount(page);
