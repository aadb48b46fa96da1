"""A limit of a rate that allows bursts."""


class TokenBucket:
    """Allows `rate` events a second on average, and up to `burst` of them at once; `now` is in seconds of one clock."""

    def __init__(self, rate: float, burst: int, now: float) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = float(burst)
        self._filled_at = now

    def take(self, now: float) -> float:
        """Take a token -> 0, or, if there is none, the seconds until the next one."""
        self._tokens = min(self._burst, self._tokens + self._rate * (now - self._filled_at))
        self._filled_at = now
        if self._tokens < 1:
            return (1 - self._tokens) / self._rate
        self._tokens -= 1
        return 0.0
