"""The budget of pixels that are decoded at the same time."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class BudgetExceededError(Exception):
    """The pixels that are being decoded leave no room for this image."""


class PixelBudget:
    """Bounds the memory that decoding takes. Safe for threads."""

    def __init__(self, max_pixels: int) -> None:
        self._max_pixels = max_pixels
        self._lock = threading.Lock()
        self.pixels = 0

    @contextmanager
    def reserved(self, num_pixels: int) -> Iterator[None]:
        """Hold `num_pixels` of the budget; raises BudgetExceededError. If nothing else is decoded, any image is
        accepted.
        """
        with self._lock:
            if self.pixels and self.pixels + num_pixels > self._max_pixels:
                raise BudgetExceededError(f"{self.pixels} pixels are being decoded, {num_pixels} more are too many")
            self.pixels += num_pixels
        try:
            yield
        finally:
            with self._lock:
                self.pixels -= num_pixels
