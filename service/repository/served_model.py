"""A bundle being served: its pipeline, with the heavy steps in threads and the engine behind a batcher."""

import asyncio
import contextlib
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from service.api.problems import busy
from service.api.query import listed, threshold_of
from service.api.schemas import DetectQuery, ModelInfo
from service.bundle import Bundle
from service.cores import num_cores
from service.detection.annotate import annotate
from service.detection.golden import check_golden
from service.detection.image_header import read_header
from service.detection.pipeline import Pipeline
from service.detection.postprocess import Detections, Options, postprocess
from service.detection.preprocess import decode_image
from service.engines.engine import Engine, describe
from service.errors import ImageError, RequestError
from service.repository.image_job import Outcome, _Prepared
from service.scheduling.admission import RejectedError
from service.scheduling.assembly import Answer
from service.scheduling.batcher import Batcher, ExpiredError
from service.scheduling.cost_model import measure_costs
from service.scheduling.decode_pool import DecodePool
from service.scheduling.pixel_budget import BudgetExceededError, PixelBudget
from service.scheduling.results import BatchFailedError
from service.settings import Settings
from service.telemetry.metrics import Metrics

MAX_DECODE_SHARE = 0.25  # of what the engine takes for one image: what takes longer to decode has a thread of its own


class ServedModel:
    """Answers for one bundle. Opening it checks the golden image and warms the engine up; raises BundleError, EngineError."""

    def __init__(
        self,
        bundle: Bundle,
        engine: Engine,
        settings: Settings,
        *,
        decoders: DecodePool,
        budget: PixelBudget,
        metrics: Metrics,
    ) -> None:
        check_golden(bundle, engine)
        manifest = bundle.manifest
        self.name = manifest.name
        self.version = manifest.version
        self.classes = manifest.classes
        self.engine_name = engine.name
        self._pipeline = Pipeline(bundle, engine, max_pixels=settings.max_pixels)
        self._engine = engine
        self._settings = settings
        self._decoders = decoders
        self._budget = budget
        self._metrics = metrics
        self.num_streams = engine.num_streams
        self._takes_all_cores = engine.device == "cpu" and engine.num_streams * engine.num_threads >= num_cores()
        self._batcher = Batcher(
            engine,
            measure_costs(engine, manifest.input, settings.max_batch, num_streams=engine.num_streams),
            num_streams=engine.num_streams,
            num_spare_threads=0 if self._takes_all_cores else 2,
            max_batch=settings.max_batch,
            max_queue=settings.max_queue,
            on_batch=metrics.observe_batch(manifest.name),
        )
        self._info_labels = manifest.name, manifest.version, engine.name, describe(engine)
        self.golden = bundle.golden_path.read_bytes()  # now: the directory may hold another bundle later
        self._num_users = 0
        self._is_unused = asyncio.Event()

    @property
    def engine_description(self) -> str:
        """The engine's name, device and precision."""
        return f"{self._engine.name}, {describe(self._engine)}"

    def finish_seconds(self) -> float:
        """When an image would be answered that came now."""
        return self._batcher.finish_seconds()

    @property
    def depth(self) -> int:
        """Images that wait for the engine."""
        return self._batcher.depth

    @property
    def is_stuck(self) -> bool:
        """Whether the engine has not come back from a batch for far too long."""
        return self._batcher.longest_overdue_seconds() > self._settings.stuck_seconds

    @property
    def trouble(self) -> str | None:
        """What is wrong with the engine; None while it works."""
        if self.is_stuck:
            return f"the engine of {self.name} has been stuck for more than {self._settings.stuck_seconds:g} s"
        if self._batcher.failures_in_a_row >= self._settings.max_failures:
            return f"the engine of {self.name} failed on {self._batcher.failures_in_a_row} batches in a row"
        return None

    async def probe(self) -> None:
        """Run the golden image, so that an engine that works again is known to."""
        with contextlib.suppress(RequestError, ImageError):
            await self.detect(
                self.golden, self._pipeline.options, time.monotonic() + self._settings.default_deadline_seconds
            )

    def start(self) -> None:
        """Start the engine's threads, on the event loop that will serve."""
        self._batcher.start()
        self._metrics.model_info.labels(*self._info_labels).set(1)

    def withdraw(self) -> None:
        """It gets no more requests: `close` comes next."""
        self._metrics.model_info.remove(*self._info_labels)

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """A request that was given this model: it stays until the request is answered."""
        self._num_users += 1
        try:
            yield
        finally:
            self._num_users -= 1
            if not self._num_users:
                self._is_unused.set()

    async def close(self) -> None:
        """Wait until nobody uses it, or the drain limit, and free the engine."""
        self._is_unused.clear()
        if self._num_users:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._is_unused.wait(), self._settings.drain_limit_seconds)
        await self._batcher.close(self._settings.drain_limit_seconds)
        self._engine.close()

    def options(self, query: DetectQuery) -> Options:
        """The bundle's defaults with what the query sets; raises RequestError 422 for a class that the model does not know."""
        options = self._pipeline.options
        changes = query.model_dump(
            include={"score_threshold", "max_detections", "sigma", "iou_threshold"}, exclude_none=True
        )
        if query.nms == "soft":
            changes["method"] = "gaussian" if options.method == "hard" else options.method
        elif query.nms is not None:
            changes["method"] = None if query.nms == "none" else query.nms
        if query.classes:
            changes["labels"] = frozenset(self._label_of(name) for name in listed(query.classes)) or None
        if query.class_thresholds:
            pairs = (item.rpartition(":") for item in listed(query.class_thresholds))
            changes["label_thresholds"] = {self._label_of(name): threshold_of(name, value) for name, _, value in pairs}
        return replace(options, **changes)

    def _label_of(self, name: str) -> int:
        if name not in self.classes:
            raise RequestError(422, f"{self.name} knows no class {name!r}; it knows {', '.join(self.classes)}")
        return self.classes.index(name)

    def check(self, deadline: float) -> None:
        """Refuse what could not be answered until then even if its image were here already; raises RequestError 503."""
        try:
            self._batcher.check(deadline)
        except RejectedError as error:
            raise self._refused(error) from error

    async def detect(self, image: bytes | NDArray[np.uint8], options: Options, deadline: float) -> Outcome:
        """Detect in one image file, or image uint8 [H, W, 3], until `deadline` (time.monotonic()).

        Raises ImageError, and RequestError 500, 503, 504.
        """
        start = time.monotonic()
        # a picture that is decoded already is only resized, which costs about as much as decoding a file of a tenth its size
        num_bytes = len(image) if isinstance(image, bytes) else image.nbytes // 10
        prepared: _Prepared
        decode_seconds = 0.0

        def decode() -> NDArray[np.uint8]:
            nonlocal prepared, decode_seconds
            began = time.monotonic()
            prepared = self._prepare(image)
            decode_seconds = time.monotonic() - began
            return prepared.pixels

        def finish(answer: Answer) -> Outcome:
            return self._finish(answer, prepared.size, options, start, decode_seconds)

        def finish_late_decoded(answer: Answer) -> Outcome:
            return finish(replace(answer, queue_seconds=answer.queue_seconds - decode_seconds))

        def decode_and_submit() -> None:
            nonlocal decode_seconds
            try:
                pixels = decode()
                decode_seconds = time.monotonic() - start  # with the wait for a thread
                self._batcher.submit(place, pixels, finish)
            except Exception as error:  # whatever it is, its request is to know
                self._batcher.fail(place, error)

        try:
            if self._decodes_in_stream(num_bytes):
                with self._batcher.reserve(deadline) as place:
                    self._batcher.submit(place, lambda: self._decoders.timed(num_bytes, decode), finish_late_decoded)
                    return await self._batcher.answer(place)  # type: ignore[no-any-return]
            with self._batcher.reserve(deadline, self._decoders.ready_seconds(num_bytes)) as place:
                decoding = self._decoders.start(num_bytes, decode_and_submit)
                try:
                    return await self._batcher.answer(place)  # type: ignore[no-any-return]
                finally:
                    decoding.cancel()
        except RejectedError as error:
            raise self._refused(error) from error
        except BudgetExceededError as error:
            raise self._over_budget(error) from error
        except ExpiredError as error:
            self._metrics.rejected.labels("expired").inc()
            raise RequestError(504, str(error)) from error
        except BatchFailedError as error:
            raise RequestError(500, str(error)) from error

    async def draw(self, body: bytes, detections: Detections) -> bytes:
        """The whole picture with its detections drawn on it, as a JPEG file; raises RequestError 503."""
        try:
            return await self._decoders.run(len(body), lambda: self._draw(body, detections))
        except BudgetExceededError as error:
            raise self._over_budget(error) from error

    def info(self, *, is_default: bool, share: float) -> ModelInfo:
        """What /models says."""
        manifest = self._pipeline.bundle.manifest
        return ModelInfo(
            name=manifest.name,
            version=manifest.version,
            is_default=is_default,
            share=share,
            classes=list(manifest.classes),
            input=manifest.input,
            nms=manifest.nms,
            engine=self._engine.name,
            engine_description=describe(self._engine),
            max_batch=self._settings.max_batch,
            source=manifest.source,
            metrics=manifest.metrics,
        )

    def _prepare(self, image: bytes | NDArray[np.uint8]) -> _Prepared:
        with self._reserved(image) if isinstance(image, bytes) else nullcontext():
            return _Prepared(*self._pipeline.prepare(image))

    def _draw(self, body: bytes, detections: Detections) -> bytes:
        with self._reserved(body):
            picture = decode_image(body, max_pixels=self._settings.max_pixels)
            return annotate(picture.pixels, detections, self.classes)

    def _reserved(self, body: bytes) -> AbstractContextManager[None]:
        header = read_header(body)
        return self._budget.reserved(min(header.height * header.width, self._settings.max_pixels))

    def _refused(self, error: RejectedError) -> RequestError:
        self._metrics.rejected.labels(error.reason).inc()
        return busy(f"the server is busy: {error}", error.retry_after_seconds)

    def _over_budget(self, error: BudgetExceededError) -> RequestError:
        self._metrics.rejected.labels("pixels").inc()
        return busy(f"the server is busy: {error}", self.finish_seconds())

    def _decodes_in_stream(self, num_bytes: int) -> bool:
        """Whether an image file is decoded by the stream of the engine that runs it, and not by a thread of its own.

        On a CPU whose cores are all taken by streams another thread gains nothing for a small image: it costs a core two
        switches, and the stream the content of its caches.
        """
        return (
            self._takes_all_cores and self._decoders.seconds(num_bytes) < MAX_DECODE_SHARE * self._batcher.image_seconds
        )

    def _finish(
        self, answer: Answer, size: tuple[int, int], options: Options, started: float, decode_seconds: float
    ) -> Outcome:
        start = time.monotonic()
        candidates = answer.boxes, answer.scores, answer.labels
        detections = postprocess(*candidates, options, self._pipeline.spec, size)
        seconds = {
            "decode": decode_seconds,
            "queue": answer.queue_seconds,
            "infer": answer.infer_seconds,
            "postprocess": time.monotonic() - start,
        }
        for stage, duration in seconds.items():
            self._metrics.stage_duration.labels(stage).observe(duration)
        if options.method is not None:  # candidates are no detections yet
            self._observe(detections)
        return Outcome(detections, *size, started, seconds)

    def _observe(self, detections: Detections) -> None:
        self._metrics.detection_scores.observe(self.name, detections.scores)
        for label, count in enumerate(np.bincount(detections.labels).tolist()):
            if count:
                self._metrics.detections.labels(self.name, self.classes[label]).inc(count)
