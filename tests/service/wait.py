"""Waiting for the work of another thread."""

import time
from collections.abc import Callable

LIMIT_SECONDS = 60.0


def wait_until(is_true: Callable[[], bool]) -> None:
    """Poll `is_true` without pause; fail after LIMIT_SECONDS."""
    give_up_at = time.monotonic() + LIMIT_SECONDS
    while not is_true():
        assert time.monotonic() < give_up_at
