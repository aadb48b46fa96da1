"""A bundle being served: its engine behind a batcher, and the jobs of its images."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from service.bundle import Bundle, Manifest
from service.cores import num_cores
from service.detection.annotate import annotate
from service.detection.decode import decode_image
from service.detection.golden import check_golden
from service.detection.image_header import read_header
from service.detection.pipeline import Pipeline
from service.detection.postprocess import Options
from service.engines.protocol import Engine, batch_sizes_up_to, describe
from service.errors import ImageError
from service.memory import release_freed_memory
from service.repository.image_job import ImageJob, Outcome
from service.repository.refusals import CountedRefusals
from service.repository.tiled_image import TiledImages
from service.scheduling.admission import RejectedError, TimeLimits
from service.scheduling.batch_run import BatchFailedError
from service.scheduling.batcher import Batcher
from service.scheduling.cost_model import measure_costs, measure_ratio
from service.scheduling.decode_pool import DecodePool
from service.scheduling.drawing_thread import DrawingThread
from service.scheduling.pixel_budget import PixelBudget
from service.scheduling.ticket import ExpiredError, Ticket
from service.settings import Settings
from service.telemetry.metrics import Metrics

logger = logging.getLogger("singleshot")
DEAD_SECONDS = 1.0  # for the threads of an engine that answers no more: those that do not wait for it end at once
MIN_OBJECTIVE_SECONDS = 0.25
OBJECTIVE_IMAGES = 10  # the default objective is the time of so many images, one after the other
MAX_DECODE_SHARE = 0.25  # of the engine's time for one image; the pool decodes images that take longer


class ServedModel:
    """Serves one bundle. The constructor checks the golden image and warms up; raises BundleError, EngineError."""

    def __init__(
        self,
        bundle: Bundle,
        engine: Engine,
        settings: Settings,
        *,
        decoders: DecodePool,
        drawings: DrawingThread,
        budget: PixelBudget,
        metrics: Metrics,
    ) -> None:
        check_golden(bundle, engine)
        self.manifest: Manifest = bundle.manifest
        self.engine = engine
        self.engine_note = ""  # why a better engine is not used
        self.build_note = ""  # how far the build of a better engine is
        self.golden = bundle.golden_path.read_bytes()  # read now, because the directory may hold another bundle later
        self.examples = tuple(path.read_bytes() for path in bundle.example_paths)
        self._pipeline = Pipeline(bundle, engine, max_pixels=settings.max_pixels)
        self._settings = settings
        self._decoders = decoders
        self._drawings = drawings
        self._budget = budget
        self.metrics = metrics.of_model(self.name, self.version)
        self.headers = [(b"x-model-name", self.name.encode()), (b"x-model-version", self.version.encode())]
        self._takes_all_cores = engine.device == "cpu" and engine.num_streams * engine.num_threads >= num_cores()
        sizes = (1,) if engine.late_sizes else batch_sizes_up_to(settings.max_batch)
        cost = measure_costs(engine, self.manifest.input, sizes, num_streams=engine.num_streams)
        self._alone_seconds = cost.seconds(1)  # measured before there was any load
        self._batcher = Batcher(
            engine,
            cost,
            num_streams=engine.num_streams,
            num_spare_threads=0 if self._takes_all_cores else 2,
            max_batch=settings.max_batch,
            max_queue=settings.max_queue,
            batch_sizes=engine.batch_sizes,
            on_batch=self.metrics.observe_batch,
        )
        self._refusals = CountedRefusals(self.metrics, self.finish_seconds)
        self.tiled = TiledImages(
            self._pipeline, self._batcher, decoders, budget, self.metrics, self._refusals, settings.max_queue
        )
        self._num_users = 0
        self._is_unused = asyncio.Event()

    @property
    def name(self) -> str:
        """The model's name."""
        return self.manifest.name

    @property
    def version(self) -> str:
        """The version of the model."""
        return self.manifest.version

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, by label."""
        return self.manifest.classes

    @property
    def options(self) -> Options:
        """The bundle's defaults for soft-NMS and thresholds."""
        return self._pipeline.options

    @property
    def engine_description(self) -> str:
        """The engine's name, device and precision."""
        return f"{self.engine.name}, {describe(self.engine)}"

    def objective_seconds(self, num_images: int = 1) -> float:
        """The time within which a request with so many images should be answered, if its client says nothing else.

        Each image after the first adds the time that it takes if there is no other load.
        """
        first = self._settings.objective_seconds
        if first is None:
            first = max(MIN_OBJECTIVE_SECONDS, OBJECTIVE_IMAGES * self._alone_seconds)
        return first + (num_images - 1) * self._alone_seconds / self.engine.num_streams

    def finish_seconds(self) -> float:
        """Seconds until the answer to an image that arrives now."""
        return self._batcher.finish_seconds()

    @property
    def depth(self) -> int:
        """Images that wait for the engine."""
        return self._batcher.depth

    @property
    def is_stuck(self) -> bool:
        """Whether a batch runs for far longer than predicted."""
        return self._batcher.longest_overdue_seconds() > self._settings.stuck_seconds

    @property
    def is_device_lost(self) -> bool:
        """Whether the device of the engine answers no more."""
        return self._batcher.is_device_lost

    def lose_device(self) -> None:
        """Another engine has found that the device answers no more."""
        self._batcher.is_device_lost = True

    @property
    def needs_restart(self) -> bool:
        """Whether no later call of the engine can succeed in this process."""
        return self.is_stuck or self.is_device_lost

    @property
    def trouble(self) -> str | None:
        """The fault of the engine; None while it works."""
        if self.is_device_lost:
            return f"the device of {self.name} is lost: the log has its error"
        if self.is_stuck:
            return f"the engine of {self.name} has been stuck for more than {self._settings.stuck_seconds:g} s"
        if self._batcher.failures_in_a_row >= self._settings.max_failures:
            return f"the engine of {self.name} failed on {self._batcher.failures_in_a_row} batches in a row"
        return None

    async def probe(self) -> None:
        """Run the golden image, to find out whether a failing engine works again."""
        deadline = time.monotonic() + self._settings.default_deadline_seconds
        with contextlib.suppress(RejectedError, ExpiredError, BatchFailedError, ImageError):
            await self.detect(self.golden, self.options, TimeLimits(deadline, deadline))

    def start(self) -> None:
        """Start the engine's threads, on the event loop that will serve."""
        self._batcher.start()
        self._measuring = asyncio.create_task(asyncio.to_thread(self._measure_late_sizes))
        self.metrics.show(
            self.engine.name,
            describe(self.engine),
            num_streams=self.engine.num_streams,
            queue_limit=self._settings.max_queue,
            depth=lambda: self.depth,
        )

    def withdraw(self) -> None:
        """Stop reporting the model as served; `close` follows. Its successor may be of the same version."""
        self.metrics.hide()

    def begin_use(self) -> None:
        """A request uses this model from now on; `close` waits until it ends its use."""
        self._num_users += 1

    def end_use(self) -> None:
        """A request is answered."""
        self._num_users -= 1
        if not self._num_users:
            self._is_unused.set()

    async def close(self) -> None:
        """Wait until no request uses the model, or for the drain limit, and free the engine.

        An engine that answers no more is left to the end of the process: waiting for it or freeing it could hang.
        """
        try:
            if self.needs_restart:
                await self._batcher.close(DEAD_SECONDS)
                return
            self._is_unused.clear()
            if self._num_users:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._is_unused.wait(), self._settings.drain_limit_seconds)
            await self._batcher.close(self._settings.drain_limit_seconds)
            await self._measuring
            await asyncio.to_thread(self._free)  # it takes OpenVINO some tenths of a second
        finally:
            self.metrics.end_use()

    @property
    def is_refusing(self) -> bool:
        """Whether `check` pays before a body is read."""
        return self._batcher.is_refusing

    def check(self, limits: TimeLimits, num_images: int = 1, ready_seconds: float = 0.0) -> None:
        """Raise RejectedError if a request that arrived now with so many images, of which the last is decoded in
        `ready_seconds`, should be refused.
        """
        try:
            self._batcher.check(limits.objective, num_images, ready_seconds)
        except RejectedError as error:
            self.metrics.rejected[error.reason].inc()
            raise

    async def detect(
        self, image: bytes | NDArray[np.uint8], options: Options, limits: TimeLimits, *, is_checked: bool = False
    ) -> Outcome:
        """Detect in one image file, or image uint8 [H, W, 3]; `is_checked` if `check` has accepted its request.

        Raises ImageError, RejectedError, ExpiredError and BatchFailedError.
        """
        job = ImageJob(
            image,
            options,
            pipeline=self._pipeline,
            decoders=self._decoders,
            budget=self._budget,
            metrics=self.metrics,
        )
        with self._refusals:
            if self._decodes_in_stream(job):
                with self._batcher.reserve(job, limits, is_checked=is_checked) as ticket:
                    self._batcher.submit(ticket)
                    return await self._answer(ticket)
            work = job.work
            ready_seconds, is_large = self._decoders.ready_seconds(work), self._decoders.is_large(work)
            with self._batcher.reserve(job, limits, ready_seconds, is_checked=is_checked, is_large=is_large) as ticket:
                decoding = self._decoders.start(work, lambda: self._decode_and_submit(job, ticket))
                try:
                    return await self._answer(ticket)
                finally:
                    decoding.cancel()

    async def draw(self, body: bytes, outcome: Outcome, deadline: float) -> bytes:
        """The whole image with its detections drawn on it, as a JPEG file; `outcome` gets the stage `draw`.

        Raises ImageError, RejectedError, and ExpiredError at the deadline (time.monotonic()).
        """
        start = time.monotonic()
        with self._refusals:
            picture = await self._drawings.run(lambda check: self._draw(body, outcome, check), deadline)
        outcome.seconds["draw"] = time.monotonic() - start
        self.metrics.stages["draw"].observe(outcome.seconds["draw"])
        return picture

    def _measure_late_sizes(self) -> None:
        """Measure larger batches, which a server needs only under load, without delaying images if it can."""
        for size in sorted({min(size, self._settings.max_batch) for size in self.engine.late_sizes} - {1}):
            try:
                self.engine.prepare(size)
                run_turn = partial(self._batcher.run_when_idle, num_images=2 * size)
                num_images = measure_ratio(self.engine, self.manifest.input, size, run_turn)
                if num_images is not None:
                    self._batcher.add_size(size, num_images)
            except Exception:  # any error of the engine: the requests will show it too
                logger.exception("%s: batches of %d could not be measured and will not be run", self.name, size)

    def _free(self) -> None:
        self.engine.close()
        release_freed_memory()

    def _decodes_in_stream(self, job: ImageJob) -> bool:
        """Whether the stream that runs the image also decodes it, instead of a thread of the pool.

        If the streams take all cores of the CPU, another thread gains nothing for a small image: it costs a core two
        context switches, and the stream its caches.
        """
        is_small = self._decoders.seconds(job.work) < MAX_DECODE_SHARE * self._batcher.image_seconds
        return self._takes_all_cores and is_small

    def _decode_and_submit(self, job: ImageJob, ticket: Ticket) -> None:
        try:
            job.decode_in_pool()
        except Exception as error:  # any error: the request must learn of it
            self._batcher.fail(ticket, error)
        else:
            self._batcher.submit(ticket)

    async def _answer(self, ticket: Ticket) -> Outcome:
        outcome: Outcome = await self._batcher.answer(ticket)
        return outcome

    def _draw(self, body: bytes, outcome: Outcome, check: Callable[[], None]) -> bytes:
        header = read_header(body)
        with self._budget.reserved(min(header.height * header.width, self._settings.max_pixels)):
            image = decode_image(body, header=header, max_pixels=self._settings.max_pixels)
            check()
            return annotate(image.pixels, outcome.detections, self.classes, check, outcome.view_side)
