"""Choosing the TensorRT engine of a bundle: each fits one GPU architecture and one exact version of TensorRT."""

import logging
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from service.bundle import Bundle, EngineFile
from service.engines.protocol import DeviceLostError, Engine, EngineError, Precision
from service.engines.tensorrt.cache import DamagedEngineError, EngineCache, EngineKey, key_of
from service.engines.tensorrt.cuda import CudaError, gpu_target

logger = logging.getLogger("singleshot")

Flavour = Literal["tensorrt", "tensorrt_rtx"]


def open_tensorrt(
    bundle: Bundle, *, precision: Precision, num_streams: int | None, max_batch: int, cache: Path | None
) -> Engine:
    """Open the engine for this machine, from the bundle or from the cache.

    Raises EngineError with the command that builds one, and DeviceLostError.
    """
    try:
        target = gpu_target()
    except CudaError as error:
        raise EngineError(f"TensorRT cannot run here: {error}") from error
    versions = installed_versions()
    from service.engines.tensorrt.engine import TensorrtEngine

    try:
        name, file = choose_engine(bundle, target, versions, precision)
        return TensorrtEngine(bundle, name, file, num_streams=num_streams)
    except EngineError:
        found = find_in_cache(bundle, cache, target, versions, precision, max_batch)
        if cache is None or found is None:
            raise
    key, path = found
    try:
        return TensorrtEngine(bundle, str(path.absolute()), key.file, num_streams=num_streams)
    except DamagedEngineError:
        EngineCache(cache).remove(key)
        raise
    except DeviceLostError:  # another start should not try it again
        EngineCache(cache).set_aside(key)
        raise


def installed_versions() -> dict[Flavour, str]:
    """The version of each flavour of TensorRT that is installed and can be loaded."""
    versions: dict[Flavour, str] = {}
    flavours: tuple[Flavour, ...] = ("tensorrt", "tensorrt_rtx")
    for flavour in flavours:
        if find_spec(flavour):
            try:
                versions[flavour] = str(import_module(flavour).__version__)
            except (ImportError, OSError) as error:
                logger.warning("%s is installed but cannot be loaded: %s", flavour, error)
    return versions


def choose_engine(
    bundle: Bundle, target: str, versions: Mapping[Flavour, str], precision: Precision = "auto"
) -> tuple[str, EngineFile]:
    """The file name and the manifest's entry of the engine for a GPU and the installed versions; raises EngineError."""
    remedy = f"build it with `python -m export engine {bundle.path}` on this machine"
    engines = bundle.manifest.engines
    here = {name: file for name, file in engines.items() if file.compute_capability == target}
    if not here:
        others = sorted(file.compute_capability for file in engines.values())
        found = f"TensorRT engines for {', '.join(others)}" if others else "no TensorRT engine"
        raise EngineError(f"{bundle.path}: it has {found}, and this GPU is {target}; {remedy}")
    (name, file), *_ = here.items()  # at most one: files are named after their GPU
    installed = versions.get(file.flavour, "none")
    if installed != file.version:
        raise EngineError(
            f"{bundle.path / name}: it needs {file.flavour} {file.version}, here is {installed}; {remedy}"
        )
    if precision not in ("auto", file.precision):
        raise EngineError(f"{bundle.path / name}: it computes in {file.precision} and not in {precision}; {remedy}")
    if name not in bundle.manifest.files:
        raise EngineError(f"{bundle.path / name}: the manifest gives no SHA-256 for it; {remedy}")
    return name, file


def find_in_cache(
    bundle: Bundle,
    cache: Path | None,
    target: str,
    versions: Mapping[Flavour, str],
    precision: Precision,
    max_batch: int,
) -> tuple[EngineKey, Path] | None:
    """The key and the path of the engine in the cache, or None."""
    if cache is None:
        return None
    for flavour in versions:
        key = wanted_key(bundle, flavour, versions[flavour], target, precision, max_batch)
        path = EngineCache(cache).find(key) if key else None
        if key and path:
            return key, path
    return None


def wanted_key(
    bundle: Bundle, flavour: Flavour, version: str, target: str, precision: Precision, max_batch: int
) -> EngineKey | None:
    """The key of the engine that a server with these settings runs; None if TensorRT has no such precision."""
    if precision in ("bf16", "int8"):
        return None
    file = EngineFile(
        flavour=flavour,
        version=version,
        compute_capability=target,
        precision="fp32" if precision == "fp32" else "fp16",
        max_batch=max_batch,
    )
    return key_of(bundle, file)
