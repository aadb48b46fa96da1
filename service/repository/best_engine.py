"""Opening the best engine that can run a bundle and that finds its golden detections."""

import logging
from collections.abc import Callable
from typing import TypeVar

from service.bundle import Bundle, BundleError
from service.detection.golden import GoldenError
from service.engines.open import engine_names, open_engine
from service.engines.protocol import DeviceLostError, Engine, EngineError, EngineName, Precision
from service.settings import Settings

T = TypeVar("T")

logger = logging.getLogger("singleshot")


def open_as_set(
    bundle: Bundle, name: EngineName, settings: Settings, open_engine: Callable[..., Engine] = open_engine
) -> Engine:
    """The engine of that name with the options of the settings. Raises BundleError, EngineError and others."""
    return open_engine(
        bundle,
        name,
        precision=settings.precision,
        num_threads=settings.engine_threads,
        num_streams=settings.engine_streams,
        max_batch=settings.max_batch,
        cache=settings.engine_cache,
    )


def open_best(
    bundle: Bundle, name: EngineName, precision: Precision, open_one: Callable[[Bundle, EngineName], T]
) -> tuple[T, str]:
    """What `open_one` opens with the first engine of `engine_names` that works -> that, and why no better one is used.

    So a wrong engine for the GPU does not keep a bundle from being used. `open_one` raises GoldenError if the engine
    misses golden detections. Raises BundleError, EngineError and others of the last engine.
    """
    *better, last = engine_names(name)
    reasons: list[str] = []
    for other in better:
        try:
            return open_with_or_without_int8(bundle, other, precision, open_one), "; ".join(reasons)
        except (BundleError, EngineError, DeviceLostError) as error:
            reasons.append(str(error))
        except Exception as error:  # an engine may raise any error, and the next one may work
            logger.exception("%s: the engine %s failed at the start", bundle.path, other)
            reasons.append(f"{other} failed: {type(error).__name__}: {error}")
    try:
        opened = open_with_or_without_int8(bundle, last, precision, open_one)
    except EngineError as error:
        raise EngineError("; ".join([str(error), *reasons])) from error
    if not reasons:
        return opened, ""
    note = f"a GPU of this machine is idle: {'; '.join(reasons)}"
    logger.warning("%s: %s", bundle.manifest.name, note)
    return opened, note


def open_with_or_without_int8(
    bundle: Bundle, name: EngineName, precision: Precision, open_one: Callable[[Bundle, EngineName], T]
) -> T:
    """What `open_one` opens with that engine. If auto chose int8 and it misses golden detections, it is not used.

    Another CPU than the one that measured the form may round otherwise.
    """
    try:
        return open_one(bundle, name)
    except GoldenError as error:
        if bundle.manifest.int8 is None or precision != "auto":
            raise
        logger.warning("%s; it is opened again without int8", error)
    return open_one(bundle.without_int8(), name)
