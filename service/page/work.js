// The parts that show pictures and what was found in them, in the order in which they are drawn.

import { mountCode } from "./code/code.js";
import { mountCompare } from "./compare/mount.js";
import { mountKeys } from "./overview/keys.js";
import { mountNotice } from "./overview/notice.js";
import { mountProgress } from "./overview/progress.js";
import { mountStrip } from "./overview/strip.js";
import { mountTableButton } from "./overview/table_button.js";
import { mountFound } from "./panels/found.js";
import { mountProblem } from "./panels/problem.js";
import { mountTime } from "./panels/time.js";
import { mountSaveMenus } from "./take_away/save_menus.js";
import { mountTruth } from "./truth/mount.js";
import { mountViewer } from "./viewer/viewer.js";

export const WORK = [
  ...[mountStrip, mountViewer, mountProblem, mountProgress, mountKeys, mountNotice, mountTableButton],
  ...[mountFound, mountCompare, mountTruth, mountTime, mountCode, mountSaveMenus],
];
