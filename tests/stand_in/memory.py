"""Memory of a GPU and page-locked memory of the host, both in the memory of this process."""

import ctypes
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

POISON = 0xFF  # as a float and as a half it is NaN
ALIGNMENT = 256

Kind = Literal["device", "host"]


class MisuseError(AssertionError):
    """A use of memory, a stream or a graph that CUDA does not define."""


@dataclass(frozen=True)
class Block:
    """Allocated bytes."""

    kind: Kind
    address: int
    content: NDArray[np.uint8]

    def holds(self, address: int, num_bytes: int) -> bool:
        return self.address <= address and address + num_bytes <= self.address + self.content.size


class Memory:
    """Blocks of both kinds. New and freed blocks are filled with POISON, and a freed address is not used again."""

    def __init__(self) -> None:
        self.live: dict[int, Block] = {}
        self._freed: list[Block] = []

    def allocate(self, kind: Kind, num_bytes: int) -> int:
        """The address of a new block, a multiple of 256."""
        padded = np.full(num_bytes + ALIGNMENT, POISON, np.uint8)
        start = -padded.ctypes.data % ALIGNMENT
        content = padded[start : start + num_bytes]
        address = int(padded.ctypes.data) + start
        self.live[address] = Block(kind, address, content)
        return address

    def free(self, kind: Kind, address: int) -> None:
        block = self.live.pop(address, None)
        if block is None or block.kind != kind:
            raise MisuseError(f"{address:#x} is freed as {kind} memory, and no such block is allocated")
        block.content[:] = POISON
        self._freed.append(block)

    def array(self, kind: Kind, address: int, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
        """Allocated memory as an array; raises MisuseError if it is not inside one block of that kind."""
        num_bytes = int(np.prod(shape)) * np.dtype(dtype).itemsize
        if not any(block.kind == kind and block.holds(address, num_bytes) for block in list(self.live.values())):
            raise MisuseError(f"{num_bytes} bytes at {address:#x} are not allocated as {kind} memory")
        memory = (ctypes.c_uint8 * num_bytes).from_address(address)
        return np.frombuffer(memory, dtype).reshape(shape)

    def check_freed(self) -> None:
        """Raise MisuseError if freed memory was written to."""
        for block in self._freed:
            if (block.content != POISON).any():
                raise MisuseError(f"{block.kind} memory at {block.address:#x} was written after it was freed")
