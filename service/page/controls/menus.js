// Menus: what the keyboard and the pointer do to each `details.menu` of the page, also to those that come later.

/** Close a menu by Escape, by a choice, and by anything outside of it; move through its entries with the arrows. */
export function mountMenus() {
  addEventListener("keydown", (event) => {
    const menu = event.target.closest?.(".menu[open]");
    if (menu) move(menu, event);
  });
  addEventListener("pointerdown", ({ target }) => closeMenus(target));
  addEventListener("focusin", ({ target }) => closeMenus(target));
  addEventListener("click", ({ target }) => {
    const menu = target.closest?.(".menu li > :is(button, a)")?.closest(".menu");
    if (menu) close(menu);
  });
}

function close(menu) {
  if (menu.contains(document.activeElement)) menu.querySelector("summary").focus();
  menu.open = false;
}

/** Close each menu that does not hold `target`. */
function closeMenus(target) {
  for (const menu of document.querySelectorAll(".menu[open]")) if (!menu.contains(target)) menu.open = false;
}

function move(menu, event) {
  if (event.key === "Escape") {
    event.preventDefault(); // a dialog around it stays open
    close(menu);
  }
  const entries = [...menu.querySelectorAll("summary, li > :is(button:enabled, a), li > label > input")];
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step) return;
  event.preventDefault();
  entries.at((entries.indexOf(document.activeElement) + step) % entries.length).focus();
}
