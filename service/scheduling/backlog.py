"""The backlog: the accepted tickets that no stream runs yet."""

import heapq
import math
from collections.abc import Iterable

from service.scheduling.batch_buffer import BatchBuffer
from service.scheduling.ticket import Ticket


class Backlog:
    """A ticket is first expected (its image is on the way), then queued, then in the buffer of the assembler.

    Not safe for threads: its batcher guards it with a lock. Only `depth` may be read without.
    """

    def __init__(self) -> None:
        self.expected: set[Ticket] = set()
        self.queue: list[Ticket] = []  # a heap: the most urgent first
        self.buffer: BatchBuffer | None = None

    @property
    def depth(self) -> int:
        """Images that wait for the engine: queued or in the buffer."""
        return len(self.queue) + sum(not ticket.is_settled for ticket in self._in_buffer)

    @property
    def num_waiting(self) -> int:
        """The tickets that no stream runs: expected, queued and in the buffer."""
        return self.depth + len(self.expected)

    @property
    def next_due(self) -> float:
        """When the next expected image should be decoded (time.monotonic())."""
        return min((ticket.due for ticket in self.expected), default=math.inf)

    def num_ahead(self, objective: float) -> int:
        """How many tickets are more urgent than a new one with this objective."""
        groups = self.queue, self._in_buffer, self.expected
        return sum(
            [ticket.objective <= objective for group in groups for ticket in group]
        )  # no generator: it is slower

    def submit(self, ticket: Ticket) -> bool:
        """Queue an expected ticket -> False if it was forgotten."""
        if ticket not in self.expected:
            return False
        self.expected.remove(ticket)
        heapq.heappush(self.queue, ticket)
        return True

    def put_back(self, tickets: Iterable[Ticket]) -> None:
        """Queue tickets of the assembler's buffer again."""
        for ticket in tickets:
            heapq.heappush(self.queue, ticket)

    def forget(self, ticket: Ticket) -> bool:
        """Remove a ticket -> whether it was expected. From the buffer, the assembler drops it at its next turn."""
        if ticket in self.expected:
            self.expected.remove(ticket)
            return True
        kept = [other for other in self.queue if other is not ticket]
        if len(kept) < len(self.queue):
            self.queue[:] = kept
            heapq.heapify(self.queue)
        return False

    @property
    def _in_buffer(self) -> list[Ticket]:
        buffer = self.buffer  # `depth` is also read without the lock
        return buffer.tickets if buffer is not None else []
