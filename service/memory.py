"""Memory that the process has freed goes back to the operating system."""

import ctypes
import gc

LARGE_BYTES = 4 * 2**20  # more than the pixels of a small image: getting a large block costs a fault for each page
KEPT_BYTES = 2 * LARGE_BYTES  # at the end of each arena: returning and getting them again costs these faults too
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # <malloc.h>


def return_large_blocks() -> None:
    """From now on, freed blocks of LARGE_BYTES or more go back to the operating system at once.

    glibc does so by itself at first. But whenever such a block is freed, it raises the limit to the size of that block,
    up to 32 MiB, and keeps smaller blocks. Other C libraries have no such call, and the function does nothing.
    """
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is not None:
        set_option(M_MMAP_THRESHOLD, LARGE_BYTES)
        set_option(M_TRIM_THRESHOLD, KEPT_BYTES)  # 128 KiB if only the other one is set


def release_freed_memory() -> None:
    """Return memory that Python and its libraries have freed to the operating system; takes some milliseconds.

    glibc keeps the freed memory of each of its arenas, about one a thread, if anything lies above it. Other C libraries
    have no such call, and the function does nothing more than collect garbage.
    """
    gc.collect()
    return_freed_pages()


def return_freed_pages() -> None:
    """`release_freed_memory` without collecting garbage, so that no other thread of Python waits for it."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
