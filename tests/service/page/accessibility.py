"""Whether everybody can use the page, as axe-core finds it: WCAG 2.2, levels A and AA, and axe's best practices."""

from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
OPTIONS = {
    "runOnly": {"type": "tag", "values": TAGS},
    "resultTypes": ["violations"],
    "rules": {"target-size": {"enabled": True}},  # the tags alone leave it off
}
AXE = Axe()


def assert_accessible(page: Page, part: str | None = None) -> None:
    """Assert that axe finds nothing in what is shown now, or in the element `part` (a CSS selector).

    It takes a second, so call it after the steps that change what is shown, and not after each one. Hidden parts are
    not examined: open the menu or the dialog first.
    """
    found = AXE.run(page, context=part, options=OPTIONS).response["violations"]
    assert not found, "\n".join(line for rule in found for line in described(rule))


def described(rule: dict[str, Any]) -> list[str]:
    """A violated rule -> a line for each element that violates it."""
    places = [(" ".join(map(str, node["target"])), node["html"][:160]) for node in rule["nodes"]]
    reasons = [node["failureSummary"] for node in rule["nodes"]]
    return [f"{rule['id']}: {where}: {html}: {why}" for (where, html), why in zip(places, reasons, strict=True)]
