"""An engine is a callable: images in, candidates out. Its forms are interchangeable."""

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from service.bundle import Bundle
from service.cores import num_cores

EngineName = Literal["auto", "openvino", "onnx", "onnx-cuda", "tensorrt"]
Precision = Literal["auto", "fp32", "bf16"]


class EngineError(Exception):
    """An engine that cannot be opened; the message names the bundle, what is wrong and the remedy."""


@dataclass(frozen=True)
class Candidates:
    """The best boxes of each image, decoded, before NMS; scores fall along T and padding rows have score 0.

    boxes float32 (B, T, 4) xyxy in input pixels; scores float32 (B, T); labels int32 (B, T), an index into the classes.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    labels: NDArray[np.int32]


class Engine(Protocol):
    """What every backend offers. `name` is onnx, openvino or tensorrt; `description` says device and precision.

    It may be called from as many threads at once as it was opened with streams.
    """

    name: str
    description: str

    def __call__(self, images: NDArray[np.uint8]) -> Candidates:
        """Run images uint8 (B, H, W, 3) RGB."""
        ...

    def close(self) -> None:
        """Give back what the engine holds; it is not called again."""
        ...


def is_on_cpu(engine: Engine) -> bool:
    """Whether the engine computes on the cores that also decode."""
    return engine.description.startswith("cpu")


def open_engine(
    bundle: Bundle,
    name: EngineName = "auto",
    *,
    precision: Precision = "auto",
    num_threads: int | None = None,
    num_streams: int = 1,
) -> Engine:
    """Open the engine of `bundle`: auto is TensorRT where the bundle has an engine file that fits this machine's GPU, else
    OpenVINO where it is installed, else ONNX Runtime, both on the CPU.

    `precision` is what the network's layers are computed in, coordinates are always fp32; auto is what is fastest here.

    num_streams is the number of calls that may run at once, num_threads the number of threads that each of them may use;
    None shares the cores out evenly. Raises EngineError.
    """
    if name == "tensorrt":
        from service.engine_choice import open_tensorrt

        return open_tensorrt(bundle, precision=precision, num_streams=num_streams)
    if name == "auto" and bundle.manifest.engines:
        from service.engine_choice import open_tensorrt_if_it_fits

        engine = open_tensorrt_if_it_fits(bundle, precision=precision, num_streams=num_streams)
        if engine is not None:
            return engine
    if name == "auto":
        name = "openvino" if find_spec("openvino") else "onnx"
    if num_threads is None and num_streams > 1:
        num_threads = max(1, num_cores() // num_streams)
    if name in ("onnx", "onnx-cuda"):
        if find_spec("onnxruntime") is None:
            raise EngineError("ONNX Runtime is not installed; `pip install onnxruntime`, or choose `--engine openvino`")
        if precision == "bf16":
            raise EngineError("ONNX Runtime computes in fp32 alone; choose `--precision fp32`, or `--engine openvino` for bf16")
        from service.onnx_engine import OnnxEngine

        return OnnxEngine(bundle, device="cuda" if name == "onnx-cuda" else "cpu", num_threads=num_threads)
    if find_spec("openvino") is None:
        raise EngineError("OpenVINO is not installed; install it with `pip install .[cpu]` or choose `--engine onnx`")
    from service.openvino_engine import OpenvinoEngine

    return OpenvinoEngine(bundle, precision=precision, num_threads=num_threads, num_streams=num_streams)
