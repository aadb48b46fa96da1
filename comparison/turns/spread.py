"""A figure over several rounds: its median, and its least and greatest value."""

import statistics
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Spread:
    """The median of the rounds, and their range."""

    median: float
    least: float
    greatest: float


def spread_of(values: Iterable[float | None]) -> Spread | None:
    """The spread of the values that are known; None if none is."""
    known = [value for value in values if value is not None]
    return Spread(statistics.median(known), min(known), max(known)) if known else None
