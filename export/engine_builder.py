"""`python -m export.engine_builder JOB`: builds an engine with TensorRT, in a process of its own.

A failure inside TensorRT may end the interpreter, so export/to_engine.py starts this process. JOB is a JSON file with a
Job. The engine and the Outcome are written to files beside it.
"""

import importlib
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from service.engines.tensorrt.cuda import CudaError
from service.engines.tensorrt.kernel import compile_kernel
from service.engines.tensorrt.plugin import register

OUTCOME, ENGINE = "outcome.json", "engine"
TYPICAL_BATCH = 4  # the engine is tuned for it; a batch of 1 and the largest batch only have to run


@dataclass(frozen=True)
class Job:
    """What to build. `network` is an ONNX file without functions. It has `num_plugins` offset convolutions."""

    network: str
    flavour: str
    target: str
    max_batch: int
    num_plugins: int
    reports_progress: bool = False


@dataclass(frozen=True)
class Outcome:
    """The result of a Job. `error` is empty if the engine was built."""

    error: str = ""
    version: str = ""


class BuilderError(Exception):
    """An engine that cannot be built; the message is the reason."""


def main() -> int:
    folder = Path(sys.argv[1]).parent
    job = Job(**json.loads(Path(sys.argv[1]).read_text()))
    try:
        trt = importlib.import_module(job.flavour)
        (folder / ENGINE).write_bytes(build(trt, job))
        outcome = Outcome(version=trt.__version__)
    except (BuilderError, CudaError, OSError) as error:
        outcome = Outcome(error=str(error))
    (folder / OUTCOME).write_text(json.dumps(asdict(outcome)))
    return 1 if outcome.error else 0


def build(trt: Any, job: Job) -> bytes:
    """The serialized engine; raises BuilderError and CudaError."""
    cubin = compile_kernel(job.target) if job.num_plugins else b""
    register(trt, cubin)
    logger = make_logger(trt)
    builder = trt.Builder(logger)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parse(trt, network, logger, Path(job.network).read_bytes())
    num_plugins = sum(network.get_layer(i).type == trt.LayerType.PLUGIN_V3 for i in range(network.num_layers))
    if num_plugins != job.num_plugins:
        raise BuilderError(f"the network has {num_plugins} plugin layers instead of {job.num_plugins}")
    config = builder.create_builder_config()
    config.progress_monitor = make_progress(trt)
    if job.flavour == "tensorrt_rtx":
        set_target(trt, config, job.target)
    images = network.get_input(0)
    profile = builder.create_optimization_profile()
    batches = 1, min(TYPICAL_BATCH, job.max_batch), job.max_batch
    profile.set_shape(images.name, *((batch, *images.shape[1:]) for batch in batches))
    config.add_optimization_profile(profile)
    serialized = builder.build_serialized_network(network, config)
    if serialized is None:
        raise BuilderError(f"TensorRT cannot build the engine: {logger.last_error}")
    engine = bytes(serialized)
    if engine.count(cubin) < job.num_plugins:
        raise BuilderError("the engine lacks the offset convolution's machine code")
    return engine


def parse(trt: Any, network: Any, logger: Any, model: bytes) -> None:
    """Read an ONNX model into `network`; raises BuilderError."""
    parser = trt.OnnxParser(network, logger)
    if hasattr(trt.OnnxParserFlag, "ENABLE_PLUGIN_OVERRIDE"):
        parser.set_flag(trt.OnnxParserFlag.ENABLE_PLUGIN_OVERRIDE)
    if not parser.parse(model):
        errors = [parser.get_error(i) for i in range(parser.num_errors)]
        reasons = "; ".join(f"{error.node_operator()} {error.node_name()}: {error.desc()}" for error in errors)
        raise BuilderError(f"TensorRT cannot read the network: {reasons}")


def set_target(trt: Any, config: Any, target: str) -> None:
    """Build for the GPU architecture `target` instead of this machine's; raises BuilderError."""
    capability = getattr(trt.ComputeCapability, target.replace("_", "").upper(), None)
    if capability is None:
        known = ", ".join(f"sm_{name[2:]}" for name in trt.ComputeCapability.__members__ if name.startswith("SM"))
        raise BuilderError(f"TensorRT for RTX does not build for {target}; it builds for {known}")
    config.num_compute_capabilities = 1
    config.set_compute_capability(capability, 0)


def make_logger(trt: Any) -> Any:
    """A logger that keeps the last error instead of printing."""

    class Logger(trt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.last_error = "it gives no reason"

        def log(self, severity: Any, message: str) -> None:
            if severity <= trt.ILogger.ERROR:
                self.last_error = message

    return Logger()


def make_progress(trt: Any) -> Any:
    """A progress bar for the builder's outermost phase; none if there is no terminal."""

    class Progress(trt.IProgressMonitor):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self._bars: dict[str, Any] = {}

        def phase_start(self, phase: str, parent: str | None, num_steps: int) -> None:
            if not parent:
                self._bars[phase] = tqdm(total=num_steps, desc=phase, disable=None, leave=False)

        def step_complete(self, phase: str, step: int) -> bool:  # noqa: ARG002
            if phase in self._bars:
                self._bars[phase].update()
            return True  # do not cancel the build

        def phase_finish(self, phase: str) -> None:
            if phase in self._bars:
                self._bars.pop(phase).close()

    return Progress()


if __name__ == "__main__":
    sys.exit(main())
