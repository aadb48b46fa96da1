"""Which images are taken on, what the refused are told, and how many pixels may be decoded at once."""

from collections.abc import Sequence
from dataclasses import dataclass

from service.scheduling.cost_model import CostModel

SHARE_IN_TIME = 0.98  # of the answers that should come no later than predicted, with the margin
MARGIN_STEP = (
    0.1  # of the time of a batch: what the margin moves by, up with a late answer, far less down with one in time
)
MAX_PROMISE_SECONDS = 30.0  # many of the refused do not come again: nobody is sent away for longer because of them


class RejectedError(Exception):
    """The image is not taken on: the queue is full, or its answer would come too late. Try again in some seconds."""

    def __init__(self, reason: str, detail: str, retry_after_seconds: float) -> None:
        super().__init__(detail)
        self.reason = reason
        self.retry_after_seconds = retry_after_seconds


@dataclass(frozen=True)
class Load:
    """What a batcher has to do when an image asks to be taken on; `num_ahead` of those taken on are more urgent."""

    num_taken: int
    num_ahead: int
    num_running: int  # batches
    free_in: Sequence[float]  # seconds until each stream should be free
    batch_size: int  # of the batches to come, where enough images wait
    has_room: bool


class Admission:
    """Takes on what will be answered in time, as far as the costs say, and sends the others away with a time to come again."""

    def __init__(self, cost: CostModel) -> None:
        self._cost = cost
        self._promises = Promises()
        self._margin = Margin()

    def admit(self, load: Load, *, now: float, deadline: float, ready_seconds: float) -> float:
        """When an image will be answered that will be decoded in `ready_seconds`; raises RejectedError.

        With nothing else to do an image is always taken on: the costs may have been learnt in worse times.
        """
        if not load.has_room:
            detail = f"{load.num_taken} images are waiting already"
            room_seconds = min(load.free_in)  # the next batch that ends makes room
            raise RejectedError("queue_full", detail, self._promise(load, now, room_seconds))
        finish = self._cost.finish_seconds(load.num_ahead, load.batch_size, load.free_in)
        finish = max(finish, ready_seconds + self._cost.seconds(1))
        in_time = finish + self._margin.seconds
        if (load.num_taken or load.num_running) and now + in_time > deadline:
            detail = f"the answer would take {in_time:.3g} s, the request's deadline is in {deadline - now:.3g} s"
            # by then the backlog is short enough for a request with as much time as this one
            raise RejectedError("late", detail, self._promise(load, now, now + in_time - deadline))
        return now + finish

    def learn(self, late_seconds: float, batch_size: int) -> None:
        """An answer came `late_seconds` after the time that `admit` gave, or will come later still."""
        self._margin.observe(late_seconds, self._cost.seconds(batch_size))

    def _promise(self, load: Load, now: float, soonest_seconds: float) -> float:
        seconds_each = self._cost.seconds(load.batch_size) / load.batch_size / len(load.free_in)
        return self._promises.next_seconds(now, soonest_seconds, seconds_each)


class Margin:
    """Seconds by which a prediction is too early for a few answers in a hundred only: learnt from how late they come.

    What the costs leave out is in it: threads that wait for a core, the event loop, other work on the machine. A stochastic
    approximation of the quantile (Robbins and Monro, 1951).
    """

    def __init__(self) -> None:
        self.seconds = 0.0

    def observe(self, late_seconds: float, batch_seconds: float) -> None:
        """An answer came `late_seconds` after its predicted time; batches take about `batch_seconds`."""
        step = MARGIN_STEP * batch_seconds
        self.seconds += step * SHARE_IN_TIME if late_seconds > self.seconds else -step * (1 - SHARE_IN_TIME)
        self.seconds = max(0.0, self.seconds)


class Promises:
    """When the refused are told to come again: one after another, for of those who came at once only the first would fit."""

    def __init__(self) -> None:
        self._last = 0.0

    def next_seconds(self, now: float, soonest_seconds: float, spacing_seconds: float) -> float:
        """Time until the next refused client may come: not before there is room, nor before those who were told before."""
        after_others = min(self._last + spacing_seconds, now + MAX_PROMISE_SECONDS)
        self._last = max(now + soonest_seconds, after_others)
        return self._last - now
