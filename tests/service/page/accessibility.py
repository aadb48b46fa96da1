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
FAINT_CONTROLS = """(part) => {
    const channels = (colour) => colour.match(/[\\d.]+/g).map(Number);
    const isSolid = (colour) => (channels(colour)[3] ?? 1) > 0.5;
    const luminance = (colour) => {
        const linear = channels(colour).slice(0, 3).map((value) => value / 255)
            .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
    };
    const contrast = (one, other) => {
        const [darker, lighter] = [luminance(one), luminance(other)].sort((a, b) => a - b);
        return (lighter + 0.05) / (darker + 0.05);
    };
    const groundOf = (node) => {
        if (!node) return "rgb(255, 255, 255)";
        const { backgroundColor } = getComputedStyle(node);
        return isSolid(backgroundColor) ? backgroundColor : groundOf(node.parentElement);
    };
    const isFaint = (node) => {
        const { backgroundColor, borderTopColor, borderTopWidth, borderTopStyle } = getComputedStyle(node);
        const hasBorder = parseFloat(borderTopWidth) > 0 && borderTopStyle !== "none" && isSolid(borderTopColor);
        const seen = [...(isSolid(backgroundColor) ? [backgroundColor] : []), ...(hasBorder ? [borderTopColor] : [])];
        const ground = groundOf(node.parentElement);
        return hasBorder && seen.every((colour) => contrast(colour, ground) < 3);
    };
    const controls = "button, select, textarea, summary, .button, .drop, input:not([type=range], [type=file])";
    return [...document.querySelector(part).querySelectorAll(controls)]
        .filter((node) => node.checkVisibility({ visibilityProperty: true }) && !node.disabled && isFaint(node))
        .map((node) => node.outerHTML.slice(0, 160));
}"""


def assert_accessible(page: Page, part: str | None = None, *, rules: tuple[str, ...] = ()) -> None:
    """Assert that axe finds nothing in what is shown now, or in the element `part` (a CSS selector).

    Each control must also stand out from what is behind it by 3:1, which axe does not measure (WCAG 1.4.11); a control
    without a border is known by its text. It takes a second, so call it after the steps that change what is shown,
    and not after each one. Hidden parts are not examined: open the menu or the dialog first. `rules` names the only
    rules that axe applies, all if it is empty.
    """
    options = {**OPTIONS, "runOnly": {"type": "rule", "values": rules}} if rules else OPTIONS
    found = AXE.run(page, context=part, options=options).response["violations"]
    assert not found, "\n".join(line for rule in found for line in described(rule))
    assert page.evaluate(FAINT_CONTROLS, part or "body") == []


def described(rule: dict[str, Any]) -> list[str]:
    """A violated rule -> a line for each element that violates it."""
    places = [(" ".join(map(str, node["target"])), node["html"][:160]) for node in rule["nodes"]]
    reasons = [node["failureSummary"] for node in rule["nodes"]]
    return [f"{rule['id']}: {where}: {html}: {why}" for (where, html), why in zip(places, reasons, strict=True)]
