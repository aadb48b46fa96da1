// The server's own numbers, live: a dialog that asks for /metrics as long as it is open.

import { makeDialog } from "../dialog.js";
import { element } from "../elements.js";
import { History, valueOf } from "./history.js";
import { pointTable } from "./point_table.js";
import { Polling } from "./polling.js";
import { makeTiles } from "./tiles.js";
import { counted, duration } from "./words.js";

const ESTIMATE = "p50 and p95 are estimated from the buckets of histograms, and stages add up only roughly.";
const REPLICA = "These are the numbers of the process that answers; each replica has its own.";
const ANEW = "The server has started again, or another replica answers: the charts begin anew.";

/** The dialog; `show()` opens it. */
export async function makeNumbers() {
  const { dialog, body } = await makeDialog("numbers", "Server");
  const history = new History();
  const tiles = makeTiles();
  const parts = {
    trouble: element("p", { className: "trouble", role: "status" }),
    grid: element("div", { className: "tiles", hidden: true }, ...tiles.map(({ tile }) => tile.section)),
    waiting: element("p", { className: "quiet", textContent: "Waiting for the first numbers…" }),
    table: element("div", { className: "scroll", tabIndex: 0 }),
    about: element("p", { className: "quiet" }),
  };
  parts.table.setAttribute("role", "region");
  parts.table.setAttribute("aria-label", "Numbers of the last minutes");
  parts.details = element("details", {}, element("summary", {}, "The charts as a table"), parts.table);
  body.append(parts.trouble, parts.waiting, parts.grid, parts.details, parts.about);
  parts.details.hidden = true;
  const say = (text) => parts.trouble.textContent !== text && (parts.trouble.textContent = text);
  const polling = new Polling((scrape) => {
    history.add(scrape);
    say(history.isNew ? ANEW : "");
    if (history.points.length) draw(history, tiles, parts);
  }, say);
  parts.details.addEventListener("toggle", () => history.points.length && draw(history, tiles, parts));
  dialog.addEventListener("close", () => polling.stop());
  const show = () => {
    if (dialog.open) return;
    dialog.showModal();
    polling.start();
  };
  return { show };
}

function draw(history, tiles, { grid, waiting, details, table, about }) {
  grid.hidden = details.hidden = false;
  waiting.hidden = true;
  for (const tile of tiles) tile.draw(history);
  if (details.open) table.replaceChildren(pointTable(history.points));
  const minutes = Math.max(1, Math.round((history.points.at(-1).seconds - history.points[0].seconds) / 60));
  const span = `The charts show the last ${minutes === 1 ? "minute" : `${minutes} minutes`}.`;
  about.textContent = `${stateOf(history.scrape)} ${span} ${ESTIMATE} ${REPLICA}`;
}

function stateOf(scrape) {
  const value = (name) => valueOf(scrape, name);
  const version = scrape.series.get("singleshot_build_info")?.[0].labels.version;
  const start = value("process_start_time_seconds");
  const texts = [
    ...(version ? [`Version ${version}`] : []),
    ...(start ? [`up for ${duration(Date.now() / 1000 - start)}`] : []),
    `${value("singleshot_requests_in_flight")} of ${value("singleshot_requests_limit")} requests in the server`,
    counted(value("singleshot_connections"), "connection"),
    `${Math.round(value("process_resident_memory_bytes") / 1e6)} MB of memory`,
  ];
  return `${texts.join(", ")}.`;
}
