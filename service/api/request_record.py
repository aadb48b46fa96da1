"""What metrics, log and trace tell of a request."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from service.errors import ImageError
from service.repository.image_job import Outcome
from service.repository.served_model import ServedModel


@dataclass(slots=True)
class RequestRecord:
    """What is known of a request; its handler fills it.

    `key` is the name of the holder of the API key, and `received` the time of the last byte (time.monotonic()).
    `num_views` is 0 if the images are not seen in tiles. `reason` says why the request was refused, in the words of the
    metric of rejections, and `detail` in a sentence.
    """

    model: ServedModel | None = None
    key: str = ""
    has_timeout: bool = False
    received: float | None = None
    num_images: int = 0
    num_views: int = 0
    num_bytes: int = 0
    outcomes: Sequence[Outcome | ImageError] = ()
    reason: str = ""
    detail: str = ""

    def begin(self, model: ServedModel, timeout: float | None) -> None:
        """The request is for this model; `timeout` in seconds is None if the client sent none."""
        self.model = model
        self.has_timeout = timeout is not None

    def is_slow(self, start: float, now: float, slow_seconds: float) -> bool:
        """Whether the answer at `now` is late for a request that began at `start` and has no timeout of its own."""
        return not self.has_timeout and now - (start if self.received is None else self.received) > slow_seconds

    def fields(self) -> dict[str, object]:
        """The fields of the log's line; those without a value are left out."""
        model = self.model
        fields = {
            "key": self.key,
            "model": model.name if model is not None else "",
            "version": model.version if model is not None else "",
            "images": self.num_images,
            "views": self.num_views,
            "bytes": self.num_bytes,
            "batch_size": largest_batch(self.outcomes),
            "stages": {name: round(1000 * seconds, 2) for name, seconds in slowest_stages(self.outcomes).items()},
            "reason": self.reason,
            "detail": self.detail,
        }
        return {name: value for name, value in fields.items() if value}


def slowest_stages(outcomes: Sequence[Outcome | ImageError]) -> dict[str, float]:
    """The seconds of each stage of the image that took longest in it."""
    timings = [outcome.seconds for outcome in outcomes if isinstance(outcome, Outcome)]
    stages = timings[0] if timings else ()
    return {stage: max([seconds[stage] for seconds in timings]) for stage in stages}


def largest_batch(outcomes: Sequence[Outcome | ImageError]) -> int:
    """The size of the largest batch that an image ran in; 0 if none ran."""
    return max([outcome.batch_size for outcome in outcomes if isinstance(outcome, Outcome)], default=0)


def record_of(scope: Mapping[str, Any]) -> RequestRecord:
    """The record of the request, which `RequestContext` has begun."""
    record: RequestRecord = scope["state"]["record"]
    return record
