"""The batch that is being assembled: its tickets, and their pixels in one buffer."""

import heapq
from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from service.scheduling.ticket import Ticket


class BatchBuffer:
    """Slot i of the buffer holds the pixels of `tickets[i]`.

    `sizes` are the batch sizes that the engine runs; None means any size. Other batches are padded to the next size.
    """

    def __init__(self, max_batch: int, sizes: Sequence[int] | None = None) -> None:
        self.tickets: list[Ticket] = []
        self._max_batch = max_batch
        self._sizes = sorted(sizes) if sizes else None
        self._pixels: NDArray[np.uint8] | None = None

    def take(self, queue: list[Ticket], limit: int) -> dict[int, Ticket]:
        """Move tickets from the heap `queue`, up to `limit` in the batch -> the tickets that `copy` must copy, by slot.

        If the batch is full, a more urgent ticket of the queue replaces the least urgent ticket of the batch.
        """
        moved: dict[int, Ticket] = {}
        while queue:
            slot = len(self.tickets)
            if slot < limit:
                self.tickets.append(heapq.heappop(queue))
            else:
                slot = max(range(slot), key=lambda other: self.tickets[other].urgency)
                if self.tickets[slot] < queue[0]:
                    break
                self.tickets[slot] = heapq.heapreplace(queue, self.tickets[slot])
            moved[slot] = self.tickets[slot]
        return moved

    def copy(self, moved: dict[int, Ticket]) -> None:
        """Copy the pixels of decoded images into their slots."""
        for slot, ticket in moved.items():
            if ticket.job.is_decoded:
                self._fill(slot, ticket.job.decode())

    def decode(self) -> dict[Ticket, Exception]:
        """Decode the other images into their slots -> the tickets that failed and left the batch, with their errors."""
        failed: dict[Ticket, Exception] = {}
        for slot, ticket in enumerate(self.tickets):
            if not ticket.job.is_decoded:
                try:
                    self._fill(slot, ticket.job.decode())
                except Exception as error:  # any error: it fails this ticket only
                    failed[ticket] = error
        if failed:
            self.keep({ticket for ticket in self.tickets if ticket not in failed})
        return failed

    def keep(self, kept: Collection[Ticket]) -> None:
        """Take the other tickets out of the batch; the last ones move into the free slots."""
        for slot in reversed(range(len(self.tickets))):
            if self.tickets[slot] not in kept:
                last = self.tickets.pop()
                if slot < len(self.tickets):
                    self.tickets[slot] = last
                    if self._pixels is not None:
                        self._pixels[slot] = self._pixels[len(self.tickets)]

    def images(self) -> NDArray[np.uint8]:
        """images uint8 (B, H, W, 3); B is the number of tickets, or the next larger size that the engine runs."""
        assert self._pixels is not None
        count = len(self.tickets)
        return self._pixels[: next((size for size in self._sizes if size >= count), count) if self._sizes else count]

    def clear(self) -> None:
        """Forget the tickets; the buffer's memory is used again."""
        self.tickets = []

    def _fill(self, slot: int, pixels: NDArray[np.uint8]) -> None:
        if self._pixels is None:
            self._pixels = np.zeros((self._max_batch, *pixels.shape), np.uint8)
        self._pixels[slot] = pixels
