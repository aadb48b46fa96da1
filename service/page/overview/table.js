// The table of all pictures: a row for each, sorted by a column.

import { totalOf } from "../detections/ranking.js";
import { $, element, on } from "../elements.js";
import { columnsOf } from "./columns.js";
import { Order } from "./order.js";
import { Views } from "./views.js";

const OPPOSITE = { ascending: "descending", descending: "ascending" };

/** Fill the table at each drawing while it is open. */
export function mountTable(page) {
  const order = new Order();
  let columns = [];
  let sort = { key: null, direction: "ascending" };
  const rows = new Views($("all-rows"), (picture) => new Row(picture, columns));
  on("all-head", "click", ({ target }) => {
    const key = target.closest("button")?.dataset.key;
    if (!key) return;
    const { first } = columns.find((column) => column.key === key);
    sort = { key, direction: sort.key === key ? OPPOSITE[sort.direction] : first };
    page.drawNow();
  });
  on("all-rows", "click", ({ target }) => choose(page, rows, target));
  on("all-rows", "keydown", (event) => move(page, order.pictures, rows, event));
  page.addPart(({ pictures: { list, selected }, models: { chosen } }) => {
    if ($("all").hidden) return;
    const summaryOf = (picture) => page.summaryOf(picture);
    const present = columnsOf(chosen.classes, totalOf(list.map(summaryOf)), summaryOf);
    const focused = document.activeElement;
    if (String(present.map(({ title }) => title)) !== String(columns.map(({ title }) => title))) {
      columns = present;
      rows.clear();
      $("all-head").replaceChildren(...columns.map(headOf));
      $("all-total").replaceChildren(...columns.map(cellOf));
    }
    const column = columns.find(({ key }) => key === sort.key);
    const isDescending = sort.direction === "descending";
    order.arrange(list, `${column?.key} ${sort.direction}`, column?.valueOf, isDescending, page.isSettled());
    rows.arrange(order.pictures);
    for (const picture of order.pictures) rows.get(picture).show(columns, summaryOf(picture), picture === selected);
    for (const [index, { key, total }] of present.entries()) {
      const [head, cell] = [$("all-head").children[index], $("all-total").children[index]];
      head.ariaSort = key === column?.key ? sort.direction : null;
      if (cell.textContent !== total) cell.textContent = total;
    }
    if (!focused.isConnected) focusAgain(focused, rows.get(selected)); // other classes have made other columns
  });
}

function headOf({ key, title, swatch, isMore }) {
  const button = element("button", { type: "button" }, ...(swatch ? [swatch] : []), element("span", {}, title));
  button.dataset.key = key;
  return element("th", { scope: "col", className: swatch ? "of-class" : isMore ? "more" : "" }, button);
}

function cellOf({ isMore }) {
  return element("td", { className: isMore ? "more" : "" });
}

function focusAgain({ dataset: { key } }, row) {
  const head = [...$("all-head").querySelectorAll("button")].find((button) => button.dataset.key === key);
  (head ?? row?.button)?.focus({ preventScroll: true });
}

/** Select the picture of the row that holds `target`, and bring it into view. */
function choose(page, rows, target) {
  const [picture, row] = rows.around(target);
  if (!picture) return;
  page.pictures.select(picture);
  page.drawNow();
  row.button.focus({ preventScroll: true });
  $("work").scrollIntoView({ block: "nearest" });
}

/** The arrow keys go from row to row. */
function move(page, pictures, rows, event) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const picture = step && pictures[pictures.indexOf(page.pictures.selected) + step];
  if (!picture) return;
  event.preventDefault();
  page.pictures.select(picture);
  page.drawNow();
  rows.get(picture).button.focus();
}

/** A picture's row. */
class Row {
  #summary;
  #state;
  #isSelected;

  constructor(picture, columns) {
    this.picture = picture;
    this.name = element("bdi"); // the button may write from right to left
    this.button = element("button", { type: "button", className: "plain", title: picture.file.name }, this.name);
    this.cells = columns.map(cellOf);
    this.cells[0].append(this.button);
    this.item = element("tr", {}, ...this.cells);
  }

  /** Write the texts, if the picture's state or its `summary` differs from that of the last drawing. */
  show(columns, summary, isSelected) {
    const { state } = this.picture;
    if (summary !== this.#summary || state !== this.#state) {
      [this.#summary, this.#state] = [summary, state];
      for (const [index, { textOf }] of columns.entries()) {
        (index ? this.cells[index] : this.name).textContent = textOf(this.picture);
      }
    }
    if (isSelected === this.#isSelected) return;
    this.#isSelected = isSelected;
    this.item.classList.toggle("chosen", isSelected);
    this.button.ariaCurrent = String(isSelected);
    this.button.tabIndex = isSelected ? 0 : -1;
  }
}
