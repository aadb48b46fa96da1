"""A batch while it is being put together: images move into its buffer as they arrive, the most urgent ones stay."""

import asyncio
import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Answer:
    """One image's candidates: boxes (T, 4), scores (T,), labels (T,), and what it went through."""

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    labels: NDArray[np.int32]
    queue_seconds: float
    infer_seconds: float


@dataclass(frozen=True, order=True)
class Place:
    """What was taken on, in the order of the deadlines; `result` is what is awaited.

    Its image should be decoded at `due` and its answer be there at `predicted` (time.monotonic()).
    """

    deadline: float
    number: int
    due: float = field(compare=False)
    predicted: float = field(compare=False)
    result: asyncio.Future[Any] = field(compare=False)
    request_id: str = field(compare=False)


@dataclass(frozen=True, order=True)
class Waiting:
    """An image in its place: its pixels, or what gives them. `finish` makes of its Answer what is asked for."""

    place: Place
    image: NDArray[np.uint8] | Callable[[], NDArray[np.uint8]] = field(compare=False)
    submitted: float = field(compare=False)
    finish: Callable[[Answer], Any] = field(compare=False)


class Assembly:
    """Slot i of the buffer is for the image of `members[i]`; `sizes` are the batch sizes that the engine runs, None for any."""

    def __init__(self, max_batch: int, sizes: Sequence[int] | None = None) -> None:
        self.members: list[Waiting] = []
        self._max_batch = max_batch
        self._sizes = sorted(sizes) if sizes else None
        self._buffer: NDArray[np.uint8] | None = None

    def take(self, queue: list[Waiting], limit: int) -> dict[int, Waiting]:
        """Move images out of the heap `queue`, up to `limit` of them -> those that `place` must copy, by slot.

        Where the batch is full, the most urgent image of the queue takes the place of the least urgent member.
        """
        moved: dict[int, Waiting] = {}
        while queue:
            slot = len(self.members)
            if slot < limit:
                self.members.append(heapq.heappop(queue))
            else:
                slot = max(range(slot), key=self.members.__getitem__)
                if self.members[slot] < queue[0]:
                    break
                self.members[slot] = heapq.heapreplace(queue, self.members[slot])
            moved[slot] = self.members[slot]
        return moved

    def place(self, moved: dict[int, Waiting]) -> None:
        """Copy the images into their slots, as far as they are decoded."""
        for slot, waiting in moved.items():
            if not callable(waiting.image):
                self._fill(slot, waiting.image)

    def decode(self) -> list[tuple[Waiting, Exception]]:
        """Decode the rest into their slots -> the members that are broken, which are members no longer."""
        broken: list[tuple[Waiting, Exception]] = []
        for slot, waiting in enumerate(self.members):
            if callable(waiting.image):
                try:
                    self._fill(slot, waiting.image())
                except Exception as error:  # whatever it is, the one who sent the image is to know
                    broken.append((waiting, error))
        if broken:
            self.keep(lambda waiting: all(waiting is not other for other, _ in broken))
        return broken

    def keep(self, is_wanted: Callable[[Waiting], bool]) -> None:
        """Take out the members that are not wanted; the last ones move into the holes."""
        for slot in reversed(range(len(self.members))):
            if not is_wanted(self.members[slot]):
                last = self.members.pop()
                if slot < len(self.members):
                    self.members[slot] = last
                    if self._buffer is not None:
                        self._buffer[slot] = self._buffer[len(self.members)]

    def _fill(self, slot: int, image: NDArray[np.uint8]) -> None:
        if self._buffer is None:
            self._buffer = np.zeros((self._max_batch, *image.shape), np.uint8)
        self._buffer[slot] = image

    def images(self) -> NDArray[np.uint8]:
        """images uint8 (B, H, W, 3); B is at least the number of members, what is above it pads up to a size of the engine."""
        assert self._buffer is not None
        count = len(self.members)
        return self._buffer[: next((size for size in self._sizes if size >= count), count) if self._sizes else count]
