"""Waiting for something that a test cannot be notified of."""

import time
from collections.abc import Callable

PATIENCE_SECONDS = 60.0


def wait_until(is_true: Callable[[], bool]) -> None:
    """Return when `is_true()`; fail if it never is."""
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    while not is_true():
        assert time.monotonic() < give_up_at
