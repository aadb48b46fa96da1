// Tabs: what the keyboard does to each `[role=tablist]` of the page, also to those that come later.

export function mountTabs() {
  addEventListener("keydown", (event) => {
    const tab = event.target.closest?.('[role="tab"]');
    if (tab) move(tab, event);
  });
}

/** Choose the tab of the list that holds `tab`, and no other: its aria-selected, and the panel that it controls. */
export function chooseTab(tab) {
  for (const other of tabsBeside(tab)) {
    const isChosen = other === tab;
    other.setAttribute("aria-selected", isChosen);
    other.tabIndex = isChosen ? 0 : -1;
    const panel = document.getElementById(other.getAttribute("aria-controls"));
    if (panel) panel.hidden = !isChosen;
  }
}

/** Arrows, Home and End choose another tab, as a click on it does. */
function move(tab, event) {
  const tabs = tabsBeside(tab);
  const place = tabs.indexOf(tab);
  const next = { ArrowRight: (place + 1) % tabs.length, ArrowLeft: place - 1, Home: 0, End: -1 }[event.key];
  if (next === undefined) return;
  event.preventDefault();
  tabs.at(next).focus();
  tabs.at(next).click();
}

const tabsBeside = (tab) => [...tab.closest('[role="tablist"]').querySelectorAll('[role="tab"]')];
