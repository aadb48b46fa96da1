"""Admission: which images are accepted, and when the refused ones should be sent again."""

from collections.abc import Sequence
from dataclasses import dataclass

from service.scheduling.cost_model import CostModel

SHARE_IN_TIME = 0.98  # share of the answers that should be no later than the prediction with its margin
MARGIN_STEP = 0.1  # share of a batch's time by which a late answer raises the margin; one in time lowers it far less
MAX_PROMISE_SECONDS = 30.0  # many refused clients never retry: their places delay later clients by at most this


class RejectedError(Exception):
    """The image or the request is refused, and a retry makes sense after `retry_after_seconds`.

    `reason` is a label of the metric of rejections.
    """

    def __init__(self, reason: str, detail: str, retry_after_seconds: float) -> None:
        super().__init__(detail)
        self.reason = reason
        self.retry_after_seconds = retry_after_seconds


@dataclass(frozen=True)
class Load:
    """The work of a batcher when a new image arrives. `num_ahead` waiting images are more urgent than the new one."""

    num_waiting: int
    num_ahead: int
    num_running: int  # batches
    free_in: Sequence[float]  # predicted seconds until each stream is free
    batch_size: int  # of the next batches, if enough images wait
    has_room: bool


class Admission:
    """Accepts the images whose predicted answer is in time, and refuses the others with a time to retry."""

    def __init__(self, cost: CostModel) -> None:
        self._cost = cost
        self._promises = Promises()
        self._margin = Margin()

    def admit(self, load: Load, *, now: float, deadline: float, ready_seconds: float) -> float:
        """The predicted time of the answer to an image that will be decoded in `ready_seconds`; raises RejectedError.

        An idle server does not refuse an image as late: its costs may have been learnt while the machine was slower.
        """
        if not load.has_room:
            detail = f"{load.num_waiting} images are waiting already"
            room_seconds = min(load.free_in)  # the next batch that ends makes room
            raise RejectedError("queue_full", detail, self._promise(load, now, room_seconds))
        finish = self._cost.finish_seconds(load.num_ahead, load.batch_size, load.free_in)
        finish = max(finish, ready_seconds + self._cost.seconds(1))
        in_time = finish + self._margin.seconds
        if (load.num_waiting or load.num_running) and now + in_time > deadline:
            detail = f"the answer would take {in_time:.3g} s, the request's deadline is in {deadline - now:.3g} s"
            # after this time, the same request would be accepted
            raise RejectedError("late", detail, self._promise(load, now, now + in_time - deadline))
        return now + finish

    def learn(self, late_seconds: float, batch_size: int) -> None:
        """Learn from an answer that is `late_seconds` late. If it has not come yet, this is its delay so far."""
        self._margin.observe(late_seconds, self._cost.seconds(batch_size))

    def _promise(self, load: Load, now: float, soonest_seconds: float) -> float:
        seconds_each = self._cost.seconds(load.batch_size) / load.batch_size / len(load.free_in)
        return self._promises.next_seconds(now, soonest_seconds, seconds_each)


class Margin:
    """Seconds that are added to a prediction, so that SHARE_IN_TIME of the answers are no later; learnt from answers.

    It covers time that the costs do not include: threads that wait for a core, the event loop, other work on the
    machine. It is a stochastic approximation of the quantile (Robbins and Monro, 1951).
    """

    def __init__(self) -> None:
        self.seconds = 0.0

    def observe(self, late_seconds: float, batch_seconds: float) -> None:
        """Learn from an answer `late_seconds` after its predicted time; batches take about `batch_seconds`."""
        step = MARGIN_STEP * batch_seconds
        self.seconds += step * SHARE_IN_TIME if late_seconds > self.seconds else -step * (1 - SHARE_IN_TIME)
        self.seconds = max(0.0, self.seconds)


class Promises:
    """The times at which refused clients should retry. They differ, because the server has room for one client at a
    time.
    """

    def __init__(self) -> None:
        self._last = 0.0

    def next_seconds(self, now: float, soonest_seconds: float, spacing_seconds: float) -> float:
        """Seconds until the next refused client should retry: there is room then, and earlier clients come first."""
        after_others = min(self._last + spacing_seconds, now + MAX_PROMISE_SECONDS)
        self._last = max(now + soonest_seconds, after_others)
        return self._last - now
