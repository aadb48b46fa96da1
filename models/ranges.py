"""Checks the numbers of a configuration."""

import math
from collections.abc import Collection
from typing import Any


def check_ranges(
    config: Any, *, positive: Collection[str] = (), not_negative: Collection[str] = (), share: Collection[str] = ()
) -> None:
    """Raise ValueError for a field of `config` that is not above 0, at least 0, or from 0 to 1; or not finite.

    Each element of a tuple is checked.
    """
    for name in (*positive, *not_negative, *share):
        field = getattr(config, name)
        for value in field if isinstance(field, tuple) else (field,):
            if not math.isfinite(value):
                raise ValueError(f"{name} must be a finite number, not {value}")
            if name in positive and not value > 0:
                raise ValueError(f"{name} must be above 0, not {value}")
            if name in not_negative and value < 0:
                raise ValueError(f"{name} must be at least 0, not {value}")
            if name in share and not 0 <= value <= 1:
                raise ValueError(f"{name} must be from 0 to 1, not {value}")
