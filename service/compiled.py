"""Machine code from plain loops, by Numba, cached if a directory for the cache can be used."""

import functools
import logging
import pickle
from collections.abc import Callable
from typing import Any

from numba import njit

CACHE_ERRORS = OSError, EOFError, pickle.UnpicklingError  # a directory that is full, read-only or damaged

logger = logging.getLogger("singleshot")


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function of plain loops, at its first call.

    The machine code is cached beside the function's file or in $NUMBA_CACHE_DIR. If no cache can be read or written, a
    warning says so and the machine code stays in memory only.
    """
    problem = ""
    try:
        run = njit(cache=True, nogil=True)(function)
    except (RuntimeError, OSError) as error:  # numba: "cannot cache function: no locator available"
        run, problem = njit(nogil=True)(function), str(error)

    @functools.wraps(function)
    def call(*arguments: Any) -> Any:
        nonlocal run, problem
        if not problem:
            try:
                return run(*arguments)
            except CACHE_ERRORS as error:  # compiled loops raise none of them, so it is the cache
                run, problem = njit(nogil=True)(function), str(error)
        warn_once(problem)
        return run(*arguments)

    return call


def warn_once(reason: str) -> None:
    """Say at the first call that the cache cannot be used; all functions share the cache."""
    if not _warned:
        _warned.append(reason)
        logger.warning(
            "Numba's cache cannot be used, so each start compiles again, which takes some seconds: %s; "
            "set NUMBA_CACHE_DIR to a writable directory with free space",
            reason,
        )


_warned: list[str] = []
