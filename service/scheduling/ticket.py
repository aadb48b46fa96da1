"""A ticket: one accepted image that waits for its answer. A job: the work on that image."""

import asyncio
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from service.engines.protocol import ImageCandidates


class ExpiredError(Exception):
    """The deadline passed before there was an answer."""


class Job(Protocol):
    """The work on one image, with the methods that a batcher calls."""

    @property
    def is_decoded(self) -> bool:
        """Whether `decode` returns at once."""
        ...

    def decode(self) -> NDArray[np.uint8]:
        """The pixels uint8 [h, w, 3] for the engine, decoded at the first call. An error fails only this image."""
        ...

    def finish(self, candidates: ImageCandidates, infer_start: float, infer_seconds: float, batch_size: int) -> object:
        """The answer to this image; the engine ran `batch_size` images from `infer_start` (time.monotonic()) for
        `infer_seconds`.
        """
        ...


@dataclass(eq=False)
class Ticket:
    """An accepted image. Tickets are ordered by objective, then by number.

    The image should be decoded at `due` and answered at `predicted`, and its answer is of no use after the deadline;
    times are those of time.monotonic(). The request awaits `result`, which is done when the image is answered or
    failed, has expired, or its client has disconnected.
    """

    job: Job
    objective: float
    deadline: float
    number: int
    due: float
    predicted: float
    result: asyncio.Future[Any]
    request_id: str
    urgency: tuple[float, int] = field(init=False)  # the smaller, the more urgent

    def __post_init__(self) -> None:
        self.urgency = self.objective, self.number

    @property
    def is_settled(self) -> bool:
        """Whether no request waits for the answer any more."""
        return self.result.done()

    @property
    def is_answered(self) -> bool:
        """Whether the image got an answer or an error, other than that of its deadline."""
        result = self.result
        return result.done() and not result.cancelled() and not isinstance(result.exception(), ExpiredError)

    def __lt__(self, other: "Ticket") -> bool:
        return self.urgency < other.urgency
