"""`python -m export.engine_builder JOB`: builds an engine with TensorRT, in a process of its own.

A failure inside TensorRT may end the interpreter, so export/to_engine.py starts this process. JOB is a JSON file with a
Job. The engine and the Outcome are written to files beside it.
"""

import importlib
import json
import logging
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from service.engines.protocol import batch_sizes_up_to
from service.engines.tensorrt.cuda import CudaError
from service.engines.tensorrt.kernel import compile_kernel
from service.engines.tensorrt.plugin import register

OUTCOME, ENGINE = "outcome.json", "engine"

logger = logging.getLogger("singleshot")


@dataclass(frozen=True)
class Job:
    """What to build. `network` is an ONNX file without functions. It has `num_plugins` offset convolutions.

    With `reports_progress` the process prints a line `progress DONE TOTAL PHASE` for each step instead of a bar.
    """

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
    except (BuilderError, CudaError, ImportError, OSError) as error:
        outcome = Outcome(error=str(error))
    except KeyboardInterrupt:  # the process that waits for this one reports it
        return 130
    (folder / OUTCOME).write_text(json.dumps(asdict(outcome)))
    return 1 if outcome.error else 0


def build(trt: Any, job: Job) -> bytes:
    """The serialized engine; raises BuilderError and CudaError."""
    cubin = compile_kernel(job.target) if job.num_plugins else b""
    register(trt, cubin)
    log = make_logger(trt)
    builder = trt.Builder(log)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parse(trt, network, log, Path(job.network).read_bytes())
    num_plugins = sum(network.get_layer(i).type == trt.LayerType.PLUGIN_V3 for i in range(network.num_layers))
    if num_plugins != job.num_plugins:
        raise BuilderError(f"the network has {num_plugins} plugin layers instead of {job.num_plugins}")
    config = configure(trt, builder, network.get_input(0), job)
    serialized = builder.build_serialized_network(network, config)
    if serialized is None:
        raise BuilderError(f"TensorRT cannot build the engine: {log.last_error}")
    engine = bytes(serialized)
    if job.num_plugins and engine.count(cubin) < job.num_plugins:  # no error: TensorRT may compress what it stores
        logger.warning(
            "the engine holds the kernel %d times as plain bytes, for %d layers; if the server refuses the engine, "
            "report this line",
            engine.count(cubin),
            job.num_plugins,
        )
    return engine


def configure(trt: Any, builder: Any, images: Any, job: Job) -> Any:
    """The builder's settings, with a profile for each batch size that runs; raises BuilderError."""
    config = builder.create_builder_config()
    config.progress_monitor = make_progress(trt, Lines if job.reports_progress else bar)
    config.clear_flag(trt.BuilderFlag.TF32)  # it rounds the inputs of fp32 convolutions to 10 bits of mantissa
    if hasattr(trt.BuilderFlag, "REQUIRE_USER_ALLOCATION"):  # TensorRT for RTX
        config.set_flag(trt.BuilderFlag.REQUIRE_USER_ALLOCATION)  # a run that allocates memory cannot be captured
    if job.flavour == "tensorrt_rtx":
        set_target(trt, config, job.target)
    for size in batch_sizes_up_to(job.max_batch):
        profile = builder.create_optimization_profile()
        profile.set_shape(images.name, *[(size, *images.shape[1:])] * 3)
        if config.add_optimization_profile(profile) < 0:
            raise BuilderError(f"TensorRT refused a profile for batches of {size}")
    return config


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
        raise BuilderError(
            f"TensorRT for RTX does not build for {target}; it builds for {known}. For {target} use TensorRT itself: "
            "`pip install '.[tensorrt]'` on a machine with that GPU, and build there"
        )
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


class Lines:
    """The progress of one phase in lines that a parent process reads, with the methods of a bar of tqdm."""

    def __init__(self, total: int, phase: str) -> None:
        self.done, self.total, self.phase = 0, total, phase
        self.update(0)

    def update(self, steps: int = 1) -> None:
        self.done += steps
        print("progress", self.done, self.total, self.phase, flush=True)

    def close(self) -> None:
        pass


def bar(total: int, phase: str) -> Any:
    """A progress bar; none if there is no terminal."""
    return tqdm(total=total, desc=phase, disable=None, leave=False)


def make_progress(trt: Any, make_bar: Callable[[int, str], Any]) -> Any:
    """Shows the steps of the builder's outermost phase."""

    class Progress(trt.IProgressMonitor):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self._bars: dict[str, Any] = {}

        def phase_start(self, phase: str, parent: str | None, num_steps: int) -> None:
            if not parent:
                self._bars[phase] = make_bar(num_steps, phase)

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
