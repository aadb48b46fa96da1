"""One image on its way through the server: decode, engine, finish. It keeps its own time stamps."""

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.detection.decode import check_limits
from service.detection.image_header import read_header
from service.detection.pipeline import Pipeline
from service.detection.postprocess import Detections, Options, postprocess
from service.engines.protocol import ImageCandidates
from service.scheduling.decode_pool import DecodePool
from service.scheduling.pixel_budget import PixelBudget
from service.telemetry.model_metrics import ModelMetrics

PIXELS_RESIZED = 5  # as many pixels of an array are resized in the time in which one pixel of a JPEG is decoded


@dataclass(frozen=True)
class Outcome:
    """The detections of one image, its size, when its job started (time.monotonic()), and the seconds of each stage.

    `batch_size` is the number of images that the engine ran together with it, itself included, and of an image in
    several views the largest such number. `view_side` is the shorter side of the smallest of these views in pixels.
    """

    detections: Detections
    height: int
    width: int
    started: float
    seconds: dict[str, float]
    batch_size: int
    num_views: int = 1
    view_side: int | None = None


def count_outcome(outcome: Outcome, options: Options, classes: Sequence[str], metrics: ModelMetrics) -> None:
    """Count the stages of an image in the metrics, and its detections; without NMS they are only candidates."""
    for stage, duration in outcome.seconds.items():
        metrics.stages[stage].observe(duration)
    if options.method is not None:
        metrics.observe_detections(classes, outcome.detections.labels, outcome.detections.scores)


class ImageJob:
    """An image file, or an image uint8 [H, W, 3] RGB. Any thread may call `decode` and `finish`, but only one at a
    time.

    The constructor reads the header of a file, which takes microseconds, and raises ImageError, also for an image above
    the limits.
    """

    def __init__(
        self,
        image: bytes | NDArray[np.uint8],
        options: Options,
        *,
        pipeline: Pipeline,
        decoders: DecodePool,
        budget: PixelBudget,
        metrics: ModelMetrics,
    ) -> None:
        self._image = image
        self._header = read_header(image) if isinstance(image, bytes) else None
        if self._header is not None:  # an image above the limits takes no place in the queue
            check_limits(self._header, pipeline.max_pixels)
        self._options = options
        self._pipeline = pipeline
        self._decoders = decoders
        self._budget = budget
        self._metrics = metrics
        self._pixels: NDArray[np.uint8] | None = None  # [h, w, 3], as the engine takes them
        self._size = (0, 0)  # (height, width) of the image
        self._started = time.monotonic()
        self._decode_seconds = 0.0

    @property
    def work(self) -> int:
        """What decoding the image costs, in the unit of `ImageHeader.work`."""
        if self._header is not None:
            return self._header.work
        assert not isinstance(self._image, bytes)
        height, width, _ = self._image.shape
        return int(height * width // PIXELS_RESIZED)

    @property
    def is_decoded(self) -> bool:
        """Whether `decode` returns at once."""
        return self._pixels is not None

    def decode(self) -> NDArray[np.uint8]:
        """The pixels uint8 [h, w, 3] that the engine takes; raises ImageError and BudgetExceededError."""
        if self._pixels is None:
            start = time.monotonic()
            is_file = self._header is not None  # only decoding teaches the cost of decoding
            self._pixels, self._size = self._decoders.timed(self.work, self._prepare) if is_file else self._prepare()
            self._decode_seconds = time.monotonic() - start
        return self._pixels

    def decode_in_pool(self) -> None:
        """`decode` in a thread of the pool; the wait for that thread counts as decoding."""
        self.decode()
        self._decode_seconds = time.monotonic() - self._started

    def finish(self, candidates: ImageCandidates, infer_start: float, infer_seconds: float, batch_size: int) -> Outcome:
        """Make the outcome from the candidates, and count it in the metrics; the engine started at `infer_start`."""
        start = time.monotonic()
        detections = postprocess(candidates, self._options, self._pipeline.spec, self._size)
        seconds = {
            "decode": self._decode_seconds,
            "queue": infer_start - self._started - self._decode_seconds,
            "infer": infer_seconds,
            "postprocess": time.monotonic() - start,
        }
        outcome = Outcome(detections, *self._size, self._started, seconds, batch_size)
        count_outcome(outcome, self._options, self._pipeline.bundle.manifest.classes, self._metrics)
        return outcome

    def _prepare(self) -> tuple[NDArray[np.uint8], tuple[int, int]]:
        reserved: AbstractContextManager[None] = nullcontext()
        if self._header is not None:
            reserved = self._budget.reserved(self._header.height * self._header.width)
        with reserved:
            return self._pipeline.prepare(self._image, self._header)
