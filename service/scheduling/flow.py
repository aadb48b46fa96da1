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
        self._rate = 0.0  # answers a second that the server can give; 0 before it is known
        self._since = 0.0  # when the present window began
        self._num_answered = 0  # in the window
        self._least_inside = 0  # in the window

    def seconds(self, num_images: int = 1) -> float:
        """The predicted seconds until the last of `num_images` that join now is answered; 0 if it is not known."""
        if self.num_inside < MIN_INSIDE or not self._rate:
            return 0.0
        return (self.num_inside + num_images) / self._rate

    def enter(self) -> None:
        """An image is accepted."""
        self.num_inside += 1

    def leave(self, now: float, *, is_answered: bool) -> None:
        """An image is answered, or it goes without an answer: its deadline has passed, or its client has left.

        Only answers count in the rate: images that expire leave the faster, the longer the others wait. A window with
        few images inside can only show that the server is faster than it seemed, not that it is slower.
        """
        self._num_answered += is_answered
        seconds = now - self._since
        if seconds >= WINDOW_SECONDS:
            rate = self._num_answered / seconds
            if self._least_inside >= MIN_INSIDE or rate > self._rate > 0:
                self._rate += NEW_SHARE * (rate - self._rate) if self._rate else rate
            self._since, self._num_answered, self._least_inside = now, 0, self.num_inside
        self.num_inside -= 1
        self._least_inside = min(self._least_inside, self.num_inside)
