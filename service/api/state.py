"""The state of one application: its models, the threads and budgets that they share, and its readiness."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial

from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from service.api.auth import Access
from service.api.body_budget import BodyBudget, BodyBudgetExceededError, BodyShare
from service.api.busy import BusyRefusals
from service.api.cors import Origins
from service.api.deadline import limits_of
from service.api.request_journal import RequestJournal
from service.api.request_log import RequestLog
from service.engines.open import open_engine
from service.engines.protocol import Engine
from service.memory import return_freed_pages
from service.repository.engine_builds import EngineBuilds
from service.repository.open_model import ModelOpener
from service.repository.repository import Repository
from service.repository.served_model import MIN_OBJECTIVE_SECONDS, ServedModel
from service.repository.watchdog import Watchdog
from service.scheduling.admission import RejectedError, TimeLimits
from service.scheduling.decode_pool import DecodePool
from service.scheduling.drawing_thread import DrawingThread
from service.scheduling.loop_lag import LoopLag
from service.scheduling.pixel_budget import PixelBudget
from service.settings import Settings
from service.telemetry.metrics import Metrics
from service.telemetry.model_metrics import GRPC, HTTP, ModelMetrics
from service.telemetry.tracing import open_tracing

logger = logging.getLogger("singleshot")
ROOM_SECONDS = 1.0  # when requests have been answered whose models are not known
TRIM_SECONDS = 30.0  # small blocks that stay keep freed memory between them: a tenth of the server's after some minutes


class ServerState:
    """Opens the bundles of `settings`, each with an engine.

    Raises AccessError, AliasError, BundleError, EngineError and TracingError.
    """

    def __init__(self, settings: Settings, open_engine: Callable[..., Engine] = open_engine) -> None:
        self.settings = settings
        self.metrics = Metrics(CollectorRegistry(), [HTTP] if settings.grpc_port is None else [HTTP, GRPC])
        self.log = RequestLog(settings.log_requests_per_second)
        self.tracing = open_tracing(settings.otlp_endpoint)
        self.journal = RequestJournal(self.metrics, self.log, settings.slow_seconds, self.tracing)
        self.access = Access(settings, self.metrics)
        self.decoders = DecodePool(settings.decode_threads)
        self.drawings = DrawingThread()
        self.budget = PixelBudget(settings.max_pixels_in_flight)
        self.bodies = BodyBudget(settings.max_body_bytes_in_flight)
        self.lag = LoopLag()
        self.origins = Origins(settings.cors_origins) if settings.cors_origins else None
        self.busy = BusyRefusals(
            self.metrics,
            self.lag,
            self.check_default,
            self.default_objective_seconds,
            self.default_metrics,
            self.log,
            self.origins,
        )
        self.num_requests = 0
        self.is_running = False
        self.is_draining = False
        self._report()
        opener = ModelOpener(
            settings,
            open_engine=open_engine,
            decoders=self.decoders,
            drawings=self.drawings,
            budget=self.budget,
            metrics=self.metrics,
        )
        self.repository = Repository(settings, opener, self.metrics)
        self.watchdog = Watchdog(self.repository)
        self.builds = EngineBuilds(self.repository, settings, self.metrics)
        self.end_process: Callable[[], None] = lambda: None  # set by the process that serves, like the next one
        self.end_calls: Callable[[], Awaitable[None]] = no_calls  # waits until the accepted calls of gRPC are answered

    @property
    def trouble(self) -> str | None:
        """The reason why the server is not ready; None if it is ready."""
        if self.is_draining or not self.is_running:
            return "the server is shutting down" if self.is_draining else "the server is not running"
        if not self.repository.models:
            return "no model is loaded"
        mains = [slot.model for slot in self.repository.slots if not slot.is_canary]
        troubles = (model.trouble for model in mains if model is not None)  # the event loop may unload one meanwhile
        return next((trouble for trouble in troubles if trouble is not None), None)

    @property
    def dead_model(self) -> ServedModel | None:
        """The first model whose engine answers no more, which only a restart helps; None if there is none."""
        return next((model for model in self.repository.models if model.needs_restart), None)

    @asynccontextmanager
    async def running(self, _: FastAPI) -> AsyncIterator[None]:
        """Serve: the server is ready from start-up to shutdown, then it answers the accepted requests."""
        for model in self.repository.models:
            model.start()
        tasks = [asyncio.create_task(repeat(self._watch, self.settings.watchdog_seconds))]
        tasks.append(asyncio.create_task(self.builds.run()))
        tasks.append(asyncio.create_task(repeat(partial(asyncio.to_thread, return_freed_pages), TRIM_SECONDS)))
        if self.settings.reload_seconds:
            tasks.append(asyncio.create_task(repeat(self._look_at_disk, self.settings.reload_seconds)))
        self.lag.start()
        self.is_running = True
        yield
        self.is_draining = True
        await self.end_calls()
        self.lag.stop()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.repository.close()
        self.log.count_others()
        self.decoders.close()
        self.drawings.close()
        if self.tracing is not None:
            await asyncio.to_thread(self.tracing.close)

    def limits(
        self, model: ServedModel, timeout: float | None, *, start: float, received: float, num_images: int = 1
    ) -> TimeLimits:
        """The limits of a request for `model`; see `limits_of`."""
        return limits_of(
            timeout,
            start=start,
            received=received,
            objective_seconds=model.objective_seconds(num_images),
            deadline_seconds=self.settings.default_deadline_seconds,
        )

    def default_objective_seconds(self) -> float:
        """The objective of a request for the default model."""
        model = self.repository.default
        return MIN_OBJECTIVE_SECONDS if model is None else model.objective_seconds()

    def default_metrics(self) -> ModelMetrics:
        """The metrics of the default model."""
        model = self.repository.default
        return self.metrics.no_model if model is None else model.metrics

    def check_default(self, timeout: float | None) -> None:
        """Raise RejectedError if the default model should refuse a request with this timeout that arrives now."""
        model = self.repository.default if self.is_running else None
        if model is not None and model.is_refusing:
            now = time.monotonic()
            model.check(self.limits(model, timeout, start=now, received=now))

    def check_early(self, model: ServedModel, timeout: float | None, start: float) -> None:
        """Raise RejectedError before the body is read if the model would refuse the request that begins at `start`.

        While nothing is refused, this costs nothing: the first refusal reads a body.
        """
        if model.is_refusing:
            model.check(self.limits(model, timeout, start=start, received=start))

    @contextmanager
    def admitted(self, model: ServedModel) -> Iterator[BodyShare]:
        """Count a request in and out -> its share of the budget for bodies.

        Raises RejectedError if there are too many requests, before the body is read, or too many bytes of bodies.
        """
        self._check_room(model.metrics, model.finish_seconds)
        self.num_requests += 1
        model.begin_use()
        try:
            with self.bodies.share() as share:
                yield share
        except BodyBudgetExceededError as error:
            raise self._out_of_memory(error, model.finish_seconds(), model.metrics) from error
        finally:
            model.end_use()
            self.num_requests -= 1

    @contextmanager
    def receiving(self) -> Iterator[None]:
        """Count a request in and out whose model is known only when its body has arrived, as with gRPC.

        Raises RejectedError if there are too many requests.
        """
        self._check_room(self.metrics.no_model, lambda: ROOM_SECONDS)
        self.num_requests += 1
        try:
            yield
        finally:
            self.num_requests -= 1

    @contextmanager
    def body_share(self, retry_seconds: float) -> Iterator[BodyShare]:
        """The share of one request of the budget for bodies; raises RejectedError if the budget is exceeded."""
        try:
            with self.bodies.share() as share:
                yield share
        except BodyBudgetExceededError as error:
            raise self._out_of_memory(error, retry_seconds, self.metrics.no_model) from error

    def _check_room(self, metrics: ModelMetrics, retry_seconds: Callable[[], float]) -> None:
        """Raise RejectedError if there are too many requests."""
        if self.num_requests >= self.settings.max_requests:
            metrics.rejected["requests"].inc()
            raise RejectedError("requests", f"{self.num_requests} requests are being answered", retry_seconds())

    def _report(self) -> None:
        """Let the metrics report the settings, the limits, and what they limit."""
        metrics, settings = self.metrics, self.settings
        metrics.show_settings(settings.masked())
        metrics.ready.set_function(lambda: self.trouble is None)
        metrics.requests_in_flight.set_function(lambda: self.num_requests)
        metrics.requests_limit.set(settings.max_requests)
        metrics.inflight_pixels.set_function(lambda: self.budget.pixels)
        metrics.inflight_pixels_limit.set(settings.max_pixels_in_flight)
        metrics.inflight_body_bytes.set_function(lambda: self.bodies.num_bytes)
        metrics.inflight_body_bytes_limit.set(settings.max_body_bytes_in_flight)

    def _out_of_memory(
        self, error: BodyBudgetExceededError, retry_seconds: float, metrics: ModelMetrics
    ) -> RejectedError:
        metrics.rejected["memory"].inc()
        return RejectedError("memory", str(error), retry_seconds)

    async def _look_at_disk(self) -> None:
        await self.access.poll()
        await self.repository.poll()

    async def _watch(self) -> None:
        self.log.count_others()
        await self.watchdog.look()
        if self.watchdog.needs_restart and not self.is_draining:
            text = "an engine answers no more; this process ends, so that it is started again"
            logger.critical(text, extra={"event": "engine_stuck"})
            self.end_process()


async def no_calls() -> None:
    """A server without gRPC has no calls."""


async def repeat(look: Callable[[], Awaitable[None]], interval_seconds: float) -> None:
    """Call `look` at each interval until cancelled; an error is logged and does not end the loop."""
    while True:
        await asyncio.sleep(interval_seconds)
        try:
            await look()
        except Exception:
            logger.exception("a regular check failed")
