"""What becomes of a batch: each image's answer, or what its request is told instead."""

import logging
from collections.abc import Sequence
from typing import Any

from service.engines.engine import Candidates
from service.scheduling.assembly import Answer, Place, Waiting

logger = logging.getLogger("singleshot")


class BatchFailedError(Exception):
    """The engine threw; the other batches are not touched."""


def answers_of(candidates: Candidates, batch: Sequence[Waiting], started: float, infer_seconds: float) -> list[Answer]:
    """Each image's share of the candidates (B, T, …); the engine was `started` then, for so long."""
    boxes, scores, labels = candidates.boxes, candidates.scores, candidates.labels
    return [
        Answer(boxes[row], scores[row], labels[row], started - waiting.submitted, infer_seconds)
        for row, waiting in enumerate(batch)
    ]


def failure_of(batch: Sequence[Waiting], error: Exception) -> BatchFailedError:
    """What the requests of a batch that failed are told; the log is told all of it."""
    request_ids = [waiting.place.request_id for waiting in batch]
    logger.error("the engine failed on a batch of %d", len(batch), exc_info=error, extra={"request_ids": request_ids})
    return BatchFailedError(f"the engine failed: {type(error).__name__}")


def finished(batch: Sequence[Waiting], answers: Sequence[Answer]) -> list[Any]:
    """What each image's `finish` makes of its answer, or the exception that it raises."""
    results: list[Any] = []
    for waiting, answer in zip(batch, answers, strict=True):
        try:
            results.append(None if waiting.place.result.done() else waiting.finish(answer))
        except Exception as error:
            results.append(error)
    return results


def deliver(places: Sequence[Place], results: Sequence[Any]) -> None:
    """Tell each place its result, or raise it there; the event loop's."""
    for place, result in zip(places, results, strict=True):
        if place.result.done():  # departed or expired meanwhile
            continue
        if isinstance(result, Exception):
            place.result.set_exception(result)
        else:
            place.result.set_result(result)
