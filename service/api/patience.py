"""Holds back the refusals of a client that asks again before the time that it was told."""

import math

NUM_FREE = 8  # refusals in a row, after the first one, that are not held back
FIRST_SECONDS = 0.005  # for which the next one is held back; each further one twice as long
MAX_SECONDS = 0.25
MAX_DOUBLINGS = 10
REFUSED = frozenset({429, 503})  # the statuses with a time to retry


class Patience:
    """What the client of one connection was told, and how often it has not waited.

    A refusal takes a client no time, so a client that asks again at once is refused some thousand times a second. A few
    such clients, for example a load generator with more connections than the server has room for, would take the cores
    from the answers. A refusal that is held back slows down only its own connection.

    A proxy sends the requests of many clients on one connection. There an accepted request ends the row, and a short
    row is not held back: the proxy would open further connections for its other clients, which costs more.
    """

    def __init__(self) -> None:
        self._retry_at = -math.inf  # time.monotonic()
        self._num_early = 0

    def is_early(self, now: float) -> bool:
        """Whether the client was told to wait for longer."""
        return now < self._retry_at

    def refuse(self, now: float, retry_seconds: float) -> float:
        """A request is refused at `now` and told to wait so long -> seconds for which the refusal should be held back.

        They are no more than the client would have to wait anyway.
        """
        self._num_early = self._num_early + 1 if self.is_early(now) else 0
        hold_seconds = 0.0
        if self._num_early > NUM_FREE:
            num_doublings = min(self._num_early - NUM_FREE - 1, MAX_DOUBLINGS)
            hold_seconds = min(FIRST_SECONDS * 2.0**num_doublings, MAX_SECONDS, retry_seconds)
        self._retry_at = now + hold_seconds + retry_seconds  # the client counts from the answer
        return hold_seconds

    def accept(self) -> None:
        """A request is not refused."""
        self._retry_at, self._num_early = -math.inf, 0
