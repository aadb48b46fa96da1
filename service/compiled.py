"""Machine code from plain loops: Numba, with its cache where that can be written."""

from collections.abc import Callable
from typing import Any

from numba import njit


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile; keep the machine code beside this file or in $NUMBA_CACHE_DIR, or in memory only where neither is writable."""
    try:
        return njit(cache=True, nogil=True)(function)  # type: ignore[no-any-return]
    except RuntimeError:  # numba: "cannot cache function: no locator available"
        return njit(nogil=True)(function)  # type: ignore[no-any-return]
