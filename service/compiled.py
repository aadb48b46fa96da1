"""Machine code from plain loops, by Numba, cached if a directory for the cache is writable."""

from collections.abc import Callable
from typing import Any

from numba import njit


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function of plain loops.

    The machine code is cached beside the function's file or in $NUMBA_CACHE_DIR. If neither is writable, it stays in
    memory only.
    """
    try:
        return njit(cache=True, nogil=True)(function)  # type: ignore[no-any-return]
    except RuntimeError:  # numba: "cannot cache function: no locator available"
        return njit(nogil=True)(function)  # type: ignore[no-any-return]
