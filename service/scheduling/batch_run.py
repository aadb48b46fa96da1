"""A batch that has run, and the answer or the error of each of its tickets."""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from service.engines.protocol import DeviceLostError, Engine, ImageCandidates
from service.scheduling.batch_buffer import BatchBuffer
from service.scheduling.ticket import Ticket

logger = logging.getLogger("singleshot")


class BatchFailedError(Exception):
    """The batch could not be assembled, or the engine raised an error on it. Other batches are not affected."""


@dataclass(frozen=True)
class BatchResult:
    """The engine's output for `tickets`: one row of candidates for each, or one failure for all.

    `broken` are the tickets whose images could not be decoded; the engine did not get them. The engine started at
    `infer_start` (time.monotonic()).
    """

    tickets: list[Ticket]
    broken: dict[Ticket, Exception]
    rows: list[ImageCandidates]
    failure: BatchFailedError | None
    is_device_lost: bool
    decode_seconds: float
    infer_start: float
    infer_seconds: float

    def finish(self) -> dict[Ticket, Any]:
        """The answer of each ticket, made by its job, or its exception."""
        answers: dict[Ticket, Any] = dict(self.broken)
        if self.failure is not None:
            return answers | dict.fromkeys(self.tickets, self.failure)
        run = self.infer_start, self.infer_seconds, len(self.tickets)
        for ticket, candidates in zip(self.tickets, self.rows, strict=True):
            try:
                answers[ticket] = None if ticket.is_settled else ticket.job.finish(candidates, *run)
            except Exception as error:
                answers[ticket] = error
        return answers


def run_batch(engine: Engine, buffer: BatchBuffer) -> BatchResult:
    """Decode the images of the buffer that are not decoded yet and run the engine on all; empties the buffer."""
    start = time.monotonic()
    broken = buffer.decode()
    tickets, infer_start = buffer.tickets, time.monotonic()
    rows: list[ImageCandidates] = []
    failure, is_device_lost = None, False
    try:
        if tickets:
            candidates = engine(buffer.images())
            rows = [candidates.of_image(row) for row in range(len(tickets))]
    except Exception as error:  # any error: it concerns this batch only
        failure, is_device_lost = batch_failure(tickets, error), isinstance(error, DeviceLostError)
    infer_seconds = time.monotonic() - infer_start
    buffer.clear()
    return BatchResult(tickets, broken, rows, failure, is_device_lost, infer_start - start, infer_start, infer_seconds)


def batch_failure(tickets: Sequence[Ticket], error: Exception) -> BatchFailedError:
    """The error for the tickets of a failed batch; the log gets the stack trace."""
    request_ids = [ticket.request_id for ticket in tickets]
    logger.error("the engine failed on a batch of %d", len(tickets), exc_info=error, extra={"request_ids": request_ids})
    return BatchFailedError(f"the engine failed: {type(error).__name__}")


def deliver(answers: Mapping[Ticket, Any]) -> None:
    """Set each ticket's result to its answer or its exception; runs on the event loop."""
    for ticket, answer in answers.items():
        if ticket.is_settled:  # disconnected or expired meanwhile
            continue
        if isinstance(answer, Exception):
            ticket.result.set_exception(answer)
        else:
            ticket.result.set_result(answer)
