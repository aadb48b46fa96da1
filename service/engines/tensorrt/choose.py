"""Choosing the TensorRT engine of a bundle: each fits one GPU architecture and one exact version of TensorRT."""

import logging
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec

from service.bundle import Bundle, EngineFile
from service.engines.protocol import Engine, EngineError, Precision
from service.engines.tensorrt.cuda import CudaError, gpu_target

logger = logging.getLogger("singleshot")


def open_tensorrt(bundle: Bundle, *, precision: Precision, num_streams: int | None) -> Engine:
    """Open the bundle's engine for this machine; raises EngineError with the command that builds one."""
    try:
        target = gpu_target()
    except CudaError as error:
        raise EngineError(f"TensorRT cannot run here: {error}; use `--engine auto` to serve on the CPU") from error
    name, file = choose_engine(bundle, target, installed_versions(), precision)
    from service.engines.tensorrt.engine import TensorrtEngine

    return TensorrtEngine(bundle, name, file, num_streams=num_streams)


def open_tensorrt_if_it_fits(bundle: Bundle, *, precision: Precision, num_streams: int | None) -> Engine | None:
    """The same for `--engine auto`: None if no engine fits. If there is a GPU, the reason is logged."""
    try:
        gpu_target()
    except CudaError:
        return None  # no warning: without a GPU the CPU is expected to serve
    try:
        return open_tensorrt(bundle, precision=precision, num_streams=num_streams)
    except EngineError as error:
        logger.warning("%s; until then it is served without TensorRT", error)
        return None


def installed_versions() -> dict[str, str]:
    """The version of each flavour of TensorRT that is installed and can be loaded."""
    versions = {}
    for flavour in ("tensorrt", "tensorrt_rtx"):
        if find_spec(flavour):
            try:
                versions[flavour] = str(import_module(flavour).__version__)
            except (ImportError, OSError) as error:
                logger.warning("%s is installed but cannot be loaded: %s", flavour, error)
    return versions


def choose_engine(
    bundle: Bundle, target: str, versions: Mapping[str, str], precision: Precision = "auto"
) -> tuple[str, EngineFile]:
    """The file name and the manifest's entry of the engine for a GPU and the installed versions; raises EngineError."""
    remedy = f"build it with `python -m export engine {bundle.path}` on this machine"
    engines = bundle.manifest.engines
    here = {name: file for name, file in engines.items() if file.compute_capability == target}
    if not here:
        others = ", ".join(sorted(file.compute_capability for file in engines.values())) or "no GPU"
        raise EngineError(f"{bundle.path}: it has TensorRT engines for {others}, and this GPU is {target}; {remedy}")
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
