"""Opening a bundle with the best engine that finds its golden detections."""

from collections.abc import Callable

from service.bundle import Bundle
from service.engines.open import open_engine
from service.engines.protocol import Engine, EngineName
from service.repository.best_engine import open_as_set, open_best
from service.repository.served_model import ServedModel
from service.scheduling.decode_pool import DecodePool
from service.scheduling.drawing_thread import DrawingThread
from service.scheduling.pixel_budget import PixelBudget
from service.settings import Settings
from service.telemetry.metrics import Metrics


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
        """The model behind the best engine that works, or behind `engine`.

        The model's `engine_note` says why the better engines are not used. Raises BundleError, EngineError and others
        of the last engine.
        """
        settings = self._settings
        model, note = open_best(
            bundle,
            engine or settings.engine,
            settings.precision,
            lambda opened, name: self._open(bundle, name, opened),
        )
        model.engine_note = note
        return model

    def _open(self, bundle: Bundle, name: EngineName, opened: Bundle) -> ServedModel:
        """The model of a bundle behind the engine that opens `opened`."""
        engine = open_as_set(opened, name, self._settings, self._open_engine)
        try:
            return ServedModel(
                bundle,
                engine,
                self._settings,
                decoders=self._decoders,
                drawings=self._drawings,
                budget=self._budget,
                metrics=self._metrics,
            )
        except Exception:
            engine.close()
            raise
