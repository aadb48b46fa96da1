"""A bundle and its engine, without a server: images in, detections out. It is the public interface for other programs.

detector = Detector.open("default")
(found,) = detector.detect([Path("photo.jpg").read_bytes()])
"""

import logging
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from service.bundle import Bundle, Manifest, read_bundle
from service.cores import num_cores
from service.detection.decode import decode_image
from service.detection.golden import check_golden
from service.detection.image_views import Image
from service.detection.merge import merge_views
from service.detection.pipeline import Pipeline
from service.detection.postprocess import Detections, postprocess
from service.detection.tiles import Tile, fitted_views, shortest_side, tile_size, views_of
from service.engines.protocol import Engine, EngineName, ImageCandidates
from service.errors import ImageError
from service.fetch.remote_bundle import fetch_bundle
from service.repository.best_engine import open_as_set, open_best
from service.repository.slot import find_bundles
from service.settings import Settings

logger = logging.getLogger("singleshot")


class EngineFailedError(Exception):
    """The engine raised an error on a batch; the message quotes it."""


@dataclass(frozen=True)
class Found:
    """The detections in one image, in its own pixels, its size, and the shorter side of its smallest view."""

    detections: Detections
    height: int
    width: int
    view_side: int


@dataclass(frozen=True)
class Views:
    """What the engine gets of one image of `size` (height, width): the `pixels` of each view (V, 4), as it takes
    them, to be taken once. Those of tiles are made when they are taken: all of them may need gigabytes.
    """

    pixels: Iterator[NDArray[np.uint8]]
    views: NDArray[np.int64]
    size: tuple[int, int]


class Detector:
    """Detects in images with one engine. Up to `num_workers` threads should call `detect` at once to keep it busy.

    A thread decodes its images itself, and then waits for one of the engine's streams. Without `max_detections` an
    image has at most the bundle's number of detections for each of its views.
    """

    def __init__(
        self,
        bundle: Bundle,
        engine: Engine,
        *,
        settings: Settings,
        score_threshold: float | None = None,
        max_detections: int | None = None,
        tile: Tile | None = None,
    ) -> None:
        self.bundle = bundle
        self.manifest: Manifest = bundle.manifest
        self.engine = engine
        self.tile = tile
        self.max_batch = settings.max_batch
        self.max_pixels_in_flight = settings.max_pixels_in_flight
        self._pipeline = Pipeline(bundle, engine, max_pixels=settings.max_pixels)
        options = self._pipeline.options
        self.options = replace(
            options,
            score_threshold=options.score_threshold if score_threshold is None else score_threshold,
            max_detections=max_detections or options.max_detections,
            is_limit_per_view=max_detections is None,
        )
        self._streams = threading.Semaphore(engine.num_streams)

    @classmethod
    def open(
        cls,
        bundle: str | None = None,
        *,
        settings: Settings | None = None,
        score_threshold: float | None = None,
        max_detections: int | None = None,
        tile: Tile | None = None,
    ) -> Self:
        """Open a bundle with the best engine that finds its golden detections, as the server does.

        `bundle` is a directory or a URL; without it, it is the first of the settings. `settings` are the server's;
        without them its environment variables count. Raises BundleError, EngineError and others of the engine.
        """
        settings = settings or Settings.model_validate({})
        path, url = find_bundles([bundle] if bundle else settings.bundles, settings.bundle_copies)[0]
        read = fetch_bundle(url, path) if url else read_bundle(path)

        def open_one(opened: Bundle, name: EngineName) -> Engine:
            engine = open_as_set(opened, name, settings)
            try:
                check_golden(read, engine)
            except Exception:
                engine.close()
                raise
            return engine

        engine, note = open_best(read, settings.engine, settings.precision, open_one)
        if note and engine.device != "cpu":  # else the log says so already
            logger.warning("%s: a better engine is not used: %s", read.manifest.name, note)
        return cls(
            read,
            engine,
            settings=settings,
            score_threshold=score_threshold,
            max_detections=max_detections,
            tile=tile,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Free the engine; no call may run or follow."""
        self.engine.close()

    @property
    def num_workers(self) -> int:
        """Threads that keep the engine busy: one for each stream, and more to decode if these leave cores idle."""
        engine, cores = self.engine, num_cores()
        takes_all_cores = engine.device == "cpu" and engine.num_streams * engine.num_threads >= cores
        return engine.num_streams + (0 if takes_all_cores else cores)

    def detect(self, images: Sequence[Image]) -> list[Found | ImageError]:
        """The detections of each image, or its ImageError if it is bad; raises EngineFailedError."""
        prepared = [self._prepared(image) for image in images]
        good = [views for views in prepared if isinstance(views, Views)]
        candidates = iter(self._run(chain.from_iterable(views.pixels for views in good)))
        return [
            self._found(views, [next(candidates) for _ in views.views]) if isinstance(views, Views) else views
            for views in prepared
        ]

    def _prepared(self, image: Image) -> Views | ImageError:
        try:
            return self._views(image)
        except ImageError as error:
            return error

    def _views(self, image: Image) -> Views:
        """The views of an image; raises ImageError."""
        pipeline, spec = self._pipeline, self.manifest.input
        if self.tile is None:
            pixels, size = pipeline.prepare(image)
            return Views(iter([pixels]), views_of(size, size), size)
        if isinstance(image, bytes):
            image = decode_image(image, max_pixels=pipeline.max_pixels).pixels
        size = image.shape[0], image.shape[1]
        views = views_of(size, tile_size(self.tile, spec, size))
        return Views(fitted_views(image, views, spec), views, size)

    def _run(self, pixels: Iterable[NDArray[np.uint8]]) -> list[ImageCandidates]:
        """pixels [h, w, 3] of each view -> the candidates of each view."""
        found: list[ImageCandidates] = []
        left = iter(pixels)
        while views := list(islice(left, self.max_batch)):
            batch = np.stack(views)
            try:
                with self._streams:
                    candidates = self.engine(batch)
            except Exception as error:  # an engine may raise any error
                raise EngineFailedError(f"the engine failed: {type(error).__name__}: {error}") from error
            found += [candidates.of_image(row) for row in range(len(batch))]
        return found

    def _found(self, views: Views, candidates: list[ImageCandidates]) -> Found:
        spec, options, size = self.manifest.input, self.options, views.size
        if len(candidates) == 1:
            return Found(postprocess(candidates[0], options, spec, size), *size, min(size))
        found = merge_views(candidates, views.views, options, spec, size)
        return Found(found, *size, shortest_side(views.views))
