"""Contrasts of colours, as WCAG 2.2 defines them."""

import re


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours #rgb or #rrggbb, 1 to 21 (WCAG 2.2, "contrast ratio")."""
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    """The relative luminance of a colour, 0 to 1 (WCAG 2.2, "relative luminance")."""
    found = re.fullmatch(r"#(?:([0-9a-f])([0-9a-f])([0-9a-f])|([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2}))", colour)
    assert found is not None, colour
    channels = [int(digits * 2 if len(digits) == 1 else digits, 16) / 255 for digits in found.groups() if digits]
    red, green, blue = (v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
