"""Memory that the process has freed goes back to the operating system."""

import ctypes
import gc


def release_freed_memory() -> None:
    """Return memory that Python and its libraries have freed to the operating system; takes some milliseconds.

    glibc keeps the freed memory of each of its arenas, about one a thread, if anything lies above it. Other C libraries
    have no such call, and the function does nothing more than collect garbage.
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
