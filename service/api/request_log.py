"""The lines of the log for requests."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping

from service.token_bucket import TokenBucket

logger = logging.getLogger("singleshot")
BURST_SECONDS = 10.0  # a quiet server logs a burst as long as this in full
MAX_TEXT = 200  # characters of a path or of another text that a client can make long


class RequestLog:
    """Writes a line for each request at info, but in the long run no more than `lines_per_second` of each outcome.

    So a burst of refusals does not fill the disk, and hides neither a failed request nor a slow one. `count_others`
    writes how many requests had no line.
    """

    def __init__(self, lines_per_second: float = 5.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = lines_per_second
        self._clock = clock
        self._buckets: dict[str, TokenBucket] = {}
        self._num_others: Counter[str] = Counter()

    def write(self, outcome: str, fields: Callable[[], Mapping[str, object]]) -> None:
        """Log a request with these fields, or count it."""
        if not logger.isEnabledFor(logging.INFO):
            return
        now = self._clock()
        bucket = self._buckets.get(outcome)
        if bucket is None:
            burst = max(1, round(BURST_SECONDS * self._rate))
            bucket = self._buckets[outcome] = TokenBucket(self._rate, burst, now)
        if bucket.take(now):
            self._num_others[outcome] += 1
            return
        logger.info("request", extra={"event": "request", "outcome": outcome, **fields()})

    def count_others(self) -> None:
        """Log how many requests had no line since the last call; called regularly."""
        for outcome, count in self._num_others.items():
            logger.info("requests without a line", extra={"event": "requests", "outcome": outcome, "count": count})
        self._num_others.clear()


def fields_of_request(
    method: str, path: str, route: str, status: int, seconds: float, client: object
) -> dict[str, object]:
    """The fields that the line of every request has; `client` is its address."""
    line = {"method": method, "path": shortened(path), "route": route, "status": status}
    return line | {"ms": round(1000 * seconds, 2), "client": client}


def shortened(text: str) -> str:
    """The beginning of a text that a client has sent."""
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}…"
