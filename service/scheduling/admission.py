"""Admission: which images are accepted, and when the refused ones should be sent again."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from service.scheduling.cost_model import CostModel
from service.scheduling.flow import MIN_INSIDE, Flow

SHARE_IN_TIME = 0.98  # share of the answers that should be no later than the prediction with its margin
MARGIN_STEP = 0.1  # share of a batch's time by which a late answer raises the margin; one in time lowers it far less
MARGIN_HALF_LIFE = 2.0  # seconds in which the margin falls by half if no answer is late
MAX_MARGIN_SHARE = 0.5  # of the time that a request has: a server with little to do refuses nothing for its margin
LATE_FACTOR = 2.0  # times the predicted time is the objective of an image that misses its own
HOLD_SHARE = 0.1  # a refusal holds for others within this share of its image's time, if as many images stay inside
MAX_HOLD_SECONDS = 0.05
MAX_PROMISE_SECONDS = 30.0  # many refused clients never retry: their places delay later clients by at most this


class RejectedError(Exception):
    """The image or the request is refused, and a retry makes sense after `retry_after_seconds`.

    `reason` is a label of the metric of rejections. `withdraw` may be called at once, if the client has not waited for
    its last time to retry: it has its place among the refused clients already, and needs no other.
    """

    def __init__(
        self, reason: str, detail: str, retry_after_seconds: float, withdraw: Callable[[], None] = lambda: None
    ) -> None:
        super().__init__(detail)
        self.reason = reason
        self.retry_after_seconds = retry_after_seconds
        self.withdraw = withdraw


@dataclass(frozen=True)
class TimeLimits:
    """When a request should be answered, and when its answer is of no use any more (time.monotonic()).

    Admission and the order of the queue go by the objective.
    """

    objective: float
    deadline: float


@dataclass(frozen=True)
class Load:
    """The work of a batcher when a new image arrives. `num_ahead` waiting images are more urgent than the new one."""

    num_waiting: int
    num_ahead: int
    num_running: int  # batches
    free_in: Sequence[float]  # predicted seconds until each stream is free
    batch_size: int  # of the next batches, if enough images wait

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing else to do."""
        return not (self.num_waiting or self.num_running)


@dataclass(frozen=True)
class Refusal:
    """An image that would have been late for the load alone, with what its client was told.

    It had `time_left` seconds until its objective, and `num_inside` images were in the server. The refusal holds until
    `until` (time.monotonic()).
    """

    until: float
    time_left: float
    num_inside: int
    detail: str
    soonest_seconds: float
    spacing_seconds: float


class Admission:
    """Accepts the images whose predicted answer is in time, and refuses the others with a time to retry."""

    def __init__(self, cost: CostModel, max_queue: int) -> None:
        self._cost = cost
        self._max_queue = max_queue
        self.flow = Flow()
        self.refused_at = -math.inf  # the last refusal (time.monotonic())
        self._last_late: Refusal | None = None
        self._promises = Promises()
        self._margin = Margin()

    def check_again(self, *, now: float, objective: float) -> None:
        """Raise RejectedError if the last late image was refused a moment ago and had about as much time.

        This takes a tenth of the time of `check`. An overloaded server refuses most images, and what it spends on them
        is missing for the others.
        """
        last = self._last_late
        if last is None or now >= last.until or self.flow.num_inside < (1 - HOLD_SHARE) * last.num_inside:
            return
        if abs(objective - now - last.time_left) < HOLD_SHARE * last.time_left:
            raise self._rejected("late", last.detail, now, last.soonest_seconds, last.spacing_seconds)

    def check(
        self, load: Load, *, now: float, objective: float, ready_seconds: float = 0.0, num_images: int = 1
    ) -> None:
        """Raise RejectedError if `num_images` of one request, of which the last is decoded in `ready_seconds`, are too
        many for the queue or would be answered after the objective.

        An idle server refuses nothing: it has nothing else to do, and its costs may have been learnt while the machine
        was slower.
        """
        if load.is_idle and not self.flow.num_inside:
            return
        if load.num_waiting + num_images > self._max_queue:
            detail = f"{load.num_waiting} images are waiting already"
            room_seconds = min(load.free_in)  # the next batch that ends makes room
            raise self._rejected("queue_full", detail, now, room_seconds, self._spacing(load, num_images))
        time_left = objective - now
        explained = self._explained(load, ready_seconds, num_images)
        seconds = max(explained, self.flow.seconds(num_images))
        unexplained = seconds - explained  # such a wait varies more: some images wait twice as long
        margin = min(max(self._margin.seconds(now), unexplained), MAX_MARGIN_SHARE * max(0.0, time_left))
        in_time = seconds + margin
        if in_time > time_left:
            detail = f"the answer would take {in_time:.3g} s, the request should be answered in {time_left:.3g} s"
            soonest_seconds, spacing_seconds = in_time - time_left, self._spacing(load, num_images)
            num_inside = self.flow.num_inside
            # not if it takes long to decode, which says nothing about others, or if the server may soon be idle
            if num_images == 1 and not ready_seconds and num_inside >= MIN_INSIDE:
                hold_seconds = min(HOLD_SHARE * time_left, MAX_HOLD_SECONDS)
                soonest_seconds = max(soonest_seconds, hold_seconds)
                until = now + hold_seconds
                self._last_late = Refusal(until, time_left, num_inside, detail, soonest_seconds, spacing_seconds)
            raise self._rejected("late", detail, now, soonest_seconds, spacing_seconds)

    def predict(self, load: Load, ready_seconds: float = 0.0, num_images: int = 1) -> float:
        """The predicted seconds until the last of `num_images` is answered, without the margin.

        The slowest part decides: the engine, decoding the image itself, or the flow through the whole server.
        """
        return max(self._explained(load, ready_seconds, num_images), self.flow.seconds(num_images))

    def place(self, load: Load, limits: TimeLimits, *, now: float, ready_seconds: float) -> tuple[float, float]:
        """The predicted time of the answer to an accepted image, and the objective that orders it in the queue.

        An image that will miss its objective, because an idle server has taken it, gets a later one: the images that
        arrive after it find half of the time free.
        """
        seconds = self.predict(load, ready_seconds)
        if now + seconds <= limits.objective:
            return now + seconds, limits.objective
        seconds = self.predict(replace(load, num_ahead=load.num_waiting), ready_seconds)
        return now + seconds, min(limits.deadline, now + LATE_FACTOR * seconds)

    def learn(self, predicted: float, batch_size: int, now: float) -> None:
        """Learn from an answer that was `predicted` and comes now, or has not come yet."""
        self._margin.observe(now - predicted, self._cost.seconds(batch_size), now)

    def _explained(self, load: Load, ready_seconds: float, num_images: int) -> float:
        """The seconds that the engine and the decoding take by their costs."""
        finish = self._cost.finish_seconds(load.num_ahead + num_images - 1, load.batch_size, load.free_in)
        return max(finish, ready_seconds + self._cost.seconds(1))

    def _spacing(self, load: Load, num_images: int) -> float:
        """The seconds that the engine needs for so many images of a full load."""
        return num_images * self._cost.seconds(load.batch_size) / load.batch_size / len(load.free_in)

    def _rejected(
        self, reason: str, detail: str, now: float, soonest_seconds: float, spacing_seconds: float
    ) -> RejectedError:
        """The error of a request that would be accepted behind those that were refused before it."""
        self.refused_at = now
        seconds = self._promises.next_seconds(now, soonest_seconds, spacing_seconds)
        return RejectedError(reason, detail, seconds, self._promises.withdraw)


class Margin:
    """Seconds that are added to a prediction, so that SHARE_IN_TIME of the answers are no later; learnt from answers.

    It covers time that the costs do not include: threads that wait for a core, the event loop, other work on the
    machine. It is a stochastic approximation of the quantile (Robbins and Monro, 1951) that also forgets with time: a
    margin that refuses all requests would never get an answer from which to learn.
    """

    def __init__(self) -> None:
        self._seconds = 0.0
        self._set_at = 0.0

    def seconds(self, now: float) -> float:
        """The margin at the time `now`."""
        return float(self._seconds * 0.5 ** ((now - self._set_at) / MARGIN_HALF_LIFE))

    def observe(self, late_seconds: float, batch_seconds: float, now: float) -> None:
        """Learn from an answer `late_seconds` after its predicted time; batches take about `batch_seconds`."""
        step = MARGIN_STEP * batch_seconds
        margin = self.seconds(now)
        margin += step * SHARE_IN_TIME if late_seconds > margin else -step * (1 - SHARE_IN_TIME)
        self._seconds, self._set_at = max(0.0, margin), now


class Promises:
    """The times at which refused clients should retry. They differ, because the server has room for one client at a
    time.
    """

    def __init__(self) -> None:
        self._last = self._before_last = 0.0

    def next_seconds(self, now: float, soonest_seconds: float, spacing_seconds: float) -> float:
        """Seconds until the next refused client should retry: there is room then, and earlier clients come first."""
        after_others = min(self._last + spacing_seconds, now + MAX_PROMISE_SECONDS)
        self._before_last, self._last = self._last, max(now + soonest_seconds, after_others)
        return self._last - now

    def withdraw(self) -> None:
        """The client that was refused last needs no time of its own."""
        self._last = self._before_last
