"""What one application holds: the models, the threads and budgets that they share, and whether it is ready."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from service.access import Access
from service.admission import PixelBudget
from service.bundle import Bundle, BundleError, read_bundle
from service.decode_pool import DecodePool
from service.engine import open_engine
from service.errors import RequestError, busy
from service.metrics import Metrics
from service.served_model import ServedModel
from service.settings import DEFAULT_BUNDLES, Settings


class Server:
    """Opens the bundles of `settings`; raises AccessError, BundleError and EngineError. The first model is the default."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.metrics = Metrics(CollectorRegistry())
        self.access = Access(settings, self.metrics)
        self.decoders = DecodePool(settings.decode_threads)
        self.budget = PixelBudget(settings.max_pixels_in_flight)
        self.models: dict[str, ServedModel] = {}
        self.num_requests = 0
        self.is_ready = False
        self.metrics.ready.set_function(lambda: self.is_ready)
        self.metrics.inflight_pixels.set_function(lambda: self.budget.pixels)
        for bundle in find_bundles(settings.bundles):
            name = bundle.manifest.name
            if name in self.models:
                raise BundleError(f"{bundle.path}: a model named {name} is served already; export it under another name")
            engine = open_engine(
                bundle, settings.engine, num_threads=settings.engine_threads, num_streams=settings.engine_streams
            )
            self.models[name] = ServedModel(
                bundle, engine, settings, decoders=self.decoders, budget=self.budget, metrics=self.metrics
            )

    @property
    def default(self) -> ServedModel:
        """The model that answers when the request names none."""
        return next(iter(self.models.values()))

    def find(self, name: str | None) -> ServedModel:
        """The model of that name; raises RequestError 404."""
        model = self.models.get(name) if name else self.default
        if model is None:
            raise RequestError(404, f"no model has that name; there are {', '.join(self.models)}")
        return model

    @asynccontextmanager
    async def running(self, _: FastAPI) -> AsyncIterator[None]:
        """Ready from start-up to shutdown; then finish what was taken on."""
        for model in self.models.values():
            model.start()
        self.is_ready = True
        yield
        self.is_ready = False
        await asyncio.gather(*[model.close() for model in self.models.values()])
        self.decoders.close()

    @asynccontextmanager
    async def admitted(self) -> AsyncIterator[None]:
        """Count a request in and out; raises RequestError 503 when there are too many, before its body is read."""
        if self.num_requests >= self.settings.max_requests:
            self.metrics.rejected.labels("requests").inc()
            raise busy(f"the server is busy with {self.num_requests} requests", self.default.finish_seconds())
        self.num_requests += 1
        try:
            yield
        finally:
            self.num_requests -= 1


def find_bundles(names: Sequence[str]) -> list[Bundle]:
    """Read the bundles in the directories `names`; `default` stands for those that are packaged with the server."""
    bundles = []
    for name in names:
        if name == "default":
            packaged = sorted(path.parent for path in DEFAULT_BUNDLES.glob("*/manifest.json"))
            if not packaged:
                raise BundleError(f"{DEFAULT_BUNDLES}: no bundle is packaged with this server; name one with --bundle DIR")
            bundles += [read_bundle(path) for path in packaged]
        else:
            bundles.append(read_bundle(Path(name)))
    if not bundles:
        raise BundleError("no bundle to serve; name one with --bundle DIR")
    return bundles
