"""An engine is a callable: images in, candidates out. Its forms are interchangeable."""

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from service.bundle import Bundle
from service.cores import num_cores

EngineName = Literal["auto", "openvino", "onnx"]


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


def open_engine(bundle: Bundle, name: EngineName = "auto", *, num_threads: int | None = None, num_streams: int = 1) -> Engine:
    """Open the engine of `bundle` on the CPU: auto is OpenVINO where it is installed, else ONNX Runtime.

    num_streams is the number of calls that may run at once, num_threads the number of threads that each of them may use;
    None shares the cores out evenly. Raises EngineError.
    """
    if name == "auto":
        name = "openvino" if find_spec("openvino") else "onnx"
    if num_threads is None and num_streams > 1:
        num_threads = max(1, num_cores() // num_streams)
    if name == "onnx":
        from service.onnx_engine import OnnxEngine

        return OnnxEngine(bundle, num_threads=num_threads)
    if find_spec("openvino") is None:
        raise EngineError("OpenVINO is not installed; install it with `pip install .[cpu]` or choose `--engine onnx`")
    from service.openvino_engine import OpenvinoEngine

    return OpenvinoEngine(bundle, num_threads=num_threads, num_streams=num_streams)
