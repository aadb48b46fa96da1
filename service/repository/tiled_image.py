"""Images in several views: each is decoded once, its views run as tickets of their own, and their boxes are merged."""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from service.detection.decode import decode_image
from service.detection.image_views import Image, ImageViews, in_views
from service.detection.merge import merge_views
from service.detection.pipeline import Pipeline
from service.detection.postprocess import Options
from service.detection.tiles import Tile, fitted_views, shortest_side
from service.engines.protocol import ImageCandidates
from service.errors import ImageError
from service.repository.image_job import PIXELS_RESIZED, Outcome, count_outcome
from service.repository.refusals import CountedRefusals
from service.scheduling.admission import TimeLimits
from service.scheduling.batcher import Batcher
from service.scheduling.decode_pool import DecodePool
from service.scheduling.expiry import expired
from service.scheduling.pixel_budget import PixelBudget
from service.scheduling.ticket import Ticket
from service.telemetry.model_metrics import ModelMetrics

MAX_VIEWS = 256  # of a request: each takes the event loop 20 µs before anything runs
MAX_CANDIDATES = 10_000  # of an image that take part in merging: an answer lists no more detections


@dataclass(frozen=True)
class ViewRun:
    """The candidates of a view. The engine ran a batch of `batch_size` from `start` (time.monotonic()) to `end`."""

    candidates: ImageCandidates
    start: float
    end: float
    batch_size: int


class ViewJob:
    """The job of one view. It is submitted with its pixels [h, w, 3], and frees them when the engine has run."""

    def __init__(self) -> None:
        self.pixels: NDArray[np.uint8] | None = None

    @property
    def is_decoded(self) -> bool:
        """Whether it has its pixels."""
        return self.pixels is not None

    def decode(self) -> NDArray[np.uint8]:
        """The pixels for the engine."""
        assert self.pixels is not None
        return self.pixels

    def finish(self, candidates: ImageCandidates, infer_start: float, infer_seconds: float, batch_size: int) -> ViewRun:
        """What the engine found, for the merging of all views."""
        self.pixels = None
        return ViewRun(candidates, infer_start, infer_start + infer_seconds, batch_size)


@dataclass
class Progress:
    """The times of an image: when its request began to wait, and the seconds until all its views were submitted."""

    started: float = field(default_factory=time.monotonic)
    decode_seconds: float = 0.0


class TiledImages:
    """Detects in images with several views, by the batcher of a model, whose queue holds `max_queue` images."""

    def __init__(
        self,
        pipeline: Pipeline,
        batcher: Batcher,
        decoders: DecodePool,
        budget: PixelBudget,
        metrics: ModelMetrics,
        refusals: CountedRefusals,
        max_queue: int,
    ) -> None:
        self._pipeline = pipeline
        self._batcher = batcher
        self._decoders = decoders
        self._budget = budget
        self._metrics = metrics
        self._refusals = refusals
        self._max_views = min(MAX_VIEWS, max_queue)

    def in_views(self, images: Sequence[Image], tile: Tile) -> list[ImageViews | ImageError]:
        """The images of a request in their views; see `in_views` of service.detection."""
        pipeline = self._pipeline
        return in_views(images, tile, pipeline.spec, max_pixels=pipeline.max_pixels, max_views=self._max_views)

    def ready_seconds(self, images: Sequence[Image | ImageViews | ImageError]) -> float:
        """Seconds until the slowest of those with several views is decoded."""
        works = [work_of(image) for image in images if isinstance(image, ImageViews) and len(image.views) > 1]
        return max(map(self._decoders.ready_seconds, works), default=0.0)

    async def detect(self, image: ImageViews, options: Options, limits: TimeLimits) -> Outcome:
        """Detect in an image whose request the batcher has accepted.

        Raises ImageError, RejectedError, ExpiredError and BatchFailedError.
        """
        progress, jobs = Progress(), [ViewJob() for _ in image.views]
        work = work_of(image)
        ready_seconds = self._decoders.ready_seconds(work)
        with self._refusals, ExitStack() as reserved:
            # large, also if it decodes fast: all views leave together, long after images that have overtaken them
            tickets = [
                reserved.enter_context(
                    self._batcher.reserve(job, limits, ready_seconds, is_checked=True, is_large=True)
                )
                for job in jobs
            ]
            decoding = self._decoders.start(work, lambda: self._decode_and_submit(image, progress, jobs, tickets))
            try:
                runs: list[ViewRun] = [await self._batcher.answer(ticket) for ticket in tickets]
            finally:
                decoding.cancel()
        with self._refusals:
            return await self._in_pool(lambda: self._finish(image, options, progress, runs), limits.deadline)

    def _decode_and_submit(
        self, image: ImageViews, progress: Progress, jobs: Sequence[ViewJob], tickets: Sequence[Ticket]
    ) -> None:
        try:
            with self._reserved(image):
                fitted = fitted_views(self._decoded(image), image.views, self._pipeline.spec)
                for job, pixels in zip(jobs, fitted, strict=True):
                    if tickets[0].is_settled:
                        return
                    job.pixels = pixels
        except Exception as error:  # any error: the request must learn of it
            self._batcher.fail(tickets[0], error)
        else:
            progress.decode_seconds = time.monotonic() - progress.started
            self._batcher.submit(*tickets)

    def _reserved(self, image: ImageViews) -> AbstractContextManager[None]:
        """The share of the decoded image of the budget; an array is in memory already."""
        if image.header is None:
            return nullcontext()
        return self._budget.reserved(image.header.height * image.header.width)

    def _decoded(self, image: ImageViews) -> NDArray[np.uint8]:
        """The image [H, W, 3] at its full size."""
        body, header = image.image, image.header
        if not isinstance(body, bytes):
            return body
        assert header is not None
        decode = partial(decode_image, body, header=header, max_pixels=self._pipeline.max_pixels)
        return self._decoders.timed(header.work, decode).pixels

    async def _in_pool(self, finish: Callable[[], Outcome], deadline: float) -> Outcome:
        """`finish` in a thread of the pool, which may take tenths of a second; raises ExpiredError at the deadline."""
        seconds = deadline - time.monotonic()
        try:
            async with asyncio.timeout(seconds):
                return await self._decoders.run(0, finish)
        except TimeoutError:
            raise expired(seconds) from None

    def _finish(self, image: ImageViews, options: Options, progress: Progress, runs: Sequence[ViewRun]) -> Outcome:
        """Merge the boxes of all views, and count the outcome in the metrics."""
        found = merge_views(
            [run.candidates for run in runs],
            image.views,
            options,
            self._pipeline.spec,
            image.size,
            max_candidates=MAX_CANDIDATES,
        )
        last, infer_seconds = max(run.end for run in runs), busy_seconds(runs)
        seconds = {
            "decode": progress.decode_seconds,
            "queue": last - progress.started - progress.decode_seconds - infer_seconds,
            "infer": infer_seconds,
            "postprocess": time.monotonic() - last,
        }
        outcome = Outcome(
            found,
            *image.size,
            progress.started,
            seconds,
            max(run.batch_size for run in runs),
            num_views=len(runs),
            view_side=shortest_side(image.views),
        )
        count_outcome(outcome, options, self._pipeline.bundle.manifest.classes, self._metrics)
        return outcome


def work_of(image: ImageViews) -> int:
    """What decoding the image and fitting its views costs, in the unit of `ImageHeader.work`."""
    areas = (image.views[:, 2] - image.views[:, 0]) * (image.views[:, 3] - image.views[:, 1])
    return (image.header.work if image.header is not None else 0) + int(areas.sum()) // PIXELS_RESIZED


def busy_seconds(runs: Sequence[ViewRun]) -> float:
    """The time in which the engine ran at least one of the views."""
    seconds, until = 0.0, 0.0
    for start, end in sorted((run.start, run.end) for run in runs):
        seconds += max(0.0, end - max(start, until))
        until = max(until, end)
    return seconds
