"""Freed memory goes back to the operating system."""

import platform
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from service.memory import release_freed_memory, return_freed_pages

MIB = 2**20


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc keeps freed memory and can return it")
@pytest.mark.parametrize("release", [release_freed_memory, return_freed_pages])
def test_freed_memory_below_a_live_block_is_returned(release: Callable[[], None]) -> None:
    blocks = [np.ones(64 * 1024, np.uint8) for _ in range(2000)]  # too small for glibc to map each by itself
    del blocks[:-1]
    before = resident_bytes()
    release()
    assert before - resident_bytes() > 100 * MIB


GROWTH_AFTER_LARGE_BLOCKS = """
import sys
from pathlib import Path
import numpy as np
from service.memory import return_large_blocks

def resident_mib():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 // 2**20

if sys.argv[1:]:
    return_large_blocks()
np.ones(32 * 2**20 - 2**16, np.uint8)  # freed at once: glibc keeps blocks up to this size from now on
before = resident_mib()
blocks, small = [], []
for _ in range(20):
    blocks.append(np.ones(16 * 2**20, np.uint8))
    small.append(np.ones(2**16, np.uint8))
del blocks[:-1]
print(resident_mib() - before)
"""


def growth_after_large_blocks(*arguments: str) -> int:
    """MiB that a process of its own keeps of 19 freed blocks of 16 MiB, with one that it needs."""
    command = [sys.executable, "-c", GROWTH_AFTER_LARGE_BLOCKS, *arguments]
    return int(subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc keeps freed memory and can return it")
def test_large_blocks_are_returned_as_soon_as_they_are_freed() -> None:
    assert growth_after_large_blocks() > 250
    assert growth_after_large_blocks("return") < 50
