"""Opening a bundle with the best engine that finds its golden detections."""

import logging
from collections.abc import Callable

from service.bundle import Bundle, BundleError
from service.detection.golden import GoldenError
from service.engines.open import engine_names, open_engine
from service.engines.protocol import DeviceLostError, Engine, EngineError, EngineName
from service.repository.served_model import ServedModel
from service.scheduling.decode_pool import DecodePool
from service.scheduling.drawing_thread import DrawingThread
from service.scheduling.pixel_budget import PixelBudget
from service.settings import Settings
from service.telemetry.metrics import Metrics

logger = logging.getLogger("singleshot")


class ModelOpener:
    """Opens bundles for the server; `open_engine` is service.engines.open.open_engine or a test's own."""

    def __init__(
        self,
        settings: Settings,
        *,
        open_engine: Callable[..., Engine] = open_engine,
        decoders: DecodePool,
        drawings: DrawingThread,
        budget: PixelBudget,
        metrics: Metrics,
    ) -> None:
        self._settings = settings
        self._open_engine = open_engine
        self._decoders = decoders
        self._drawings = drawings
        self._budget = budget
        self._metrics = metrics

    def __call__(self, bundle: Bundle, engine: EngineName | None = None) -> ServedModel:
        """The model behind the first engine of `engine_names` that opens and finds the golden detections, or `engine`.

        So a wrong engine for the GPU does not keep a bundle from being served. The model's `engine_note` says why the
        better engines are not used. Raises BundleError, EngineError and others of the last engine.
        """
        *better, last = engine_names(engine or self._settings.engine)
        reasons: list[str] = []
        for name in better:
            try:
                model = self._open(bundle, name)
            except (BundleError, EngineError, DeviceLostError) as error:
                reasons.append(str(error))
            except Exception as error:  # an engine may raise any error, and the next one may work
                logger.exception("%s: the engine %s failed at the start", bundle.path, name)
                reasons.append(f"{name} failed: {type(error).__name__}: {error}")
            else:
                model.engine_note = "; ".join(reasons)
                return model
        try:
            model = self._open(bundle, last)
        except EngineError as error:
            raise EngineError("; ".join([str(error), *reasons])) from error
        if reasons:
            model.engine_note = f"a GPU of this machine is idle: {'; '.join(reasons)}"
            logger.warning("%s: %s", bundle.manifest.name, model.engine_note)
        return model

    def _open(self, bundle: Bundle, name: EngineName) -> ServedModel:
        """The model behind that engine. If auto chose int8 and it misses golden detections, it is not used.

        Another CPU than the one that measured the form may round otherwise.
        """
        try:
            return self._open_form(bundle, name, bundle)
        except GoldenError as error:
            if bundle.manifest.int8 is None or self._settings.precision != "auto":
                raise
            logger.warning("%s; it is opened again without int8", error)
        return self._open_form(bundle, name, bundle.without_int8())

    def _open_form(self, bundle: Bundle, name: EngineName, opened: Bundle) -> ServedModel:
        """The model of a bundle behind the engine that opens `opened`."""
        settings = self._settings
        engine = self._open_engine(
            opened,
            name,
            precision=settings.precision,
            num_threads=settings.engine_threads,
            num_streams=settings.engine_streams,
            max_batch=settings.max_batch,
            cache=settings.engine_cache,
        )
        try:
            return ServedModel(
                bundle,
                engine,
                settings,
                decoders=self._decoders,
                drawings=self._drawings,
                budget=self._budget,
                metrics=self._metrics,
            )
        except Exception:
            engine.close()
            raise
