"""Gives each Python process of a container a GPU that is not there; docker/check_gpu_profile.sh puts it on PYTHONPATH.

CUDA runs over host memory, and ONNX Runtime's CUDA provider on the CPU. TensorRT for RTX itself builds the engines, but
without a GPU it cannot run them. So the stand-in's engine is appended to its own, and the servers read only that.

Two files in /control are switches: `hold-build` makes builds wait, `lose-HOSTNAME` makes CUDA fail in that container.
"""

import json
import socket
import sys
import time
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

CONTROL = Path("/control")
MARK = b"\nthe stand-in's engine:\n"


def extend_builder() -> None:
    """Let TensorRT for RTX append the stand-in's engine to each that it builds."""
    import tensorrt_rtx

    class Builder(tensorrt_rtx.Builder):  # type: ignore[misc]
        def build_serialized_network(self, network: Any, config: Any) -> bytes | None:
            while (CONTROL / "hold-build").exists():
                time.sleep(0.1)
            built = super().build_serialized_network(network, config)
            return None if built is None else bytes(built) + MARK + stand_in_engine(Path(sys.argv[1]))

    tensorrt_rtx.Builder = Builder


def stand_in_engine(job: Path) -> bytes:
    """The engine that the stand-in builds for the same job."""
    from export.engine_builder import Job, build
    from tests.stand_in import tensorrt_rtx

    return build(tensorrt_rtx, replace(Job(**json.loads(job.read_text())), reports_progress=False))


def replace_gpu() -> None:
    """Put the stand-ins in place."""
    from cuda.bindings import runtime

    from tests.stand_in import onnx_cuda, tensorrt_rtx
    from tests.stand_in.cuda import HostCuda
    from tests.stand_in.install import install

    class LosableCuda(HostCuda):
        def cudaGraphLaunch(self, executable: Any, stream: Any) -> None:  # noqa: N802 (CUDA's name)
            if (CONTROL / f"lose-{socket.gethostname()}").exists():
                self.lose(runtime.cudaError_t.cudaErrorIllegalAddress)
            super().cudaGraphLaunch(executable, stream)

    class Runtime(tensorrt_rtx.Runtime):
        def deserialize_cuda_engine(self, content: bytes) -> Any:
            return super().deserialize_cuda_engine(content.partition(MARK)[2])

    onnx_cuda.install()
    install(LosableCuda())
    del sys.modules["tensorrt"]  # only TensorRT for RTX is installed
    tensorrt_rtx.__version__ = version("tensorrt_rtx")
    tensorrt_rtx.Runtime = Runtime  # type: ignore[misc]


if "export.engine_builder" in sys.orig_argv:
    extend_builder()
else:
    replace_gpu()
