"""The images between admission and answer, and how fast they are answered."""

MIN_INSIDE = 8  # with fewer images, single answers decide the rate
WINDOW_SECONDS = 0.1
NEW_SHARE = 0.3  # weight of a new window in the rate


class Flow:
    """Predicts an answer by Little's law: an image that joins n others is answered after (n + 1) / rate seconds.

    The costs of the batches say how long the engine needs. This also covers what nobody predicts one by one: waits for
    a decoding thread, for a core, for Python's interpreter lock and for the event loop. One event loop uses it.
    """

    def __init__(self) -> None:
        self.num_inside = 0
        self._rate = 0.0  # answers a second; 0 before it is known
        self._since = 0.0  # when the present window began
        self._num_answered = 0  # in the window

    def seconds(self, num_images: int = 1) -> float:
        """The predicted seconds until the last of `num_images` that join now is answered; 0 if it is not known."""
        if self.num_inside < MIN_INSIDE or not self._rate:
            return 0.0
        return (self.num_inside + num_images) / self._rate

    def enter(self, now: float) -> None:
        """An image is accepted."""
        self.num_inside += 1
        if self.num_inside == MIN_INSIDE:
            self._since, self._num_answered = now, 0

    def leave(self, now: float, *, is_answered: bool) -> None:
        """An image is answered, or it goes without an answer: its deadline has passed, or its client has left.

        Only answers count in the rate: images that expire leave the faster, the longer the others wait.
        """
        is_measured = self.num_inside >= MIN_INSIDE
        self.num_inside -= 1
        self._num_answered += is_answered
        seconds = now - self._since
        if is_measured and seconds >= WINDOW_SECONDS:
            rate = self._num_answered / seconds
            self._rate += NEW_SHARE * (rate - self._rate) if self._rate else rate
            self._since, self._num_answered = now, 0
