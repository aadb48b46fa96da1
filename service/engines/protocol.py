"""An engine is a callable: images in, candidates out. All engines are interchangeable."""

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

EngineName = Literal["auto", "openvino", "onnx", "onnx-cuda", "tensorrt"]
Precision = Literal["auto", "fp32", "bf16", "fp16", "int8"]


class EngineError(Exception):
    """An engine that cannot be opened; the message names the bundle, what is wrong and the remedy."""


class DeviceLostError(Exception):
    """The device of an engine answers no more: each later call in this process fails too, and only a restart helps."""


@dataclass(frozen=True)
class ImageCandidates:
    """One image's row of the candidates: boxes float32 (T, 4), scores float32 (T,), labels int32 (T,)."""

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    labels: NDArray[np.int32]


@dataclass(frozen=True)
class Candidates:
    """The best boxes of each image, decoded, before NMS; scores fall along T and padding rows have score 0.

    boxes float32 (B, T, 4) xyxy in input pixels; scores float32 (B, T); labels int32 (B, T), an index into the classes.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    labels: NDArray[np.int32]

    def of_image(self, row: int) -> ImageCandidates:
        """The candidates of the image at `row` of the batch."""
        return ImageCandidates(self.boxes[row], self.scores[row], self.labels[row])


class Engine(Protocol):
    """The interface of every engine.

    `name` is onnx, openvino or tensorrt; `device` is cpu, cuda, or a GPU's architecture such as sm_89; `precision` is
    fp32, bf16, fp16 or int8. It takes `num_streams` calls at once, and its users never start more. One call uses
    `num_threads` threads of the CPU; for an engine on a GPU that is 1, the caller's own thread, which waits.
    `batch_sizes` are the sizes that it computes, in rising order: it takes any number of images, and pads them to the
    next size or splits them. None means that it computes exactly what it gets.
    `late_sizes` are the larger batches that may pay and whose first run takes long: a server measures them when it is
    ready. Without any, it measures all sizes at its start.
    """

    name: str
    device: str
    precision: str
    num_streams: int
    num_threads: int
    batch_sizes: tuple[int, ...] | None
    late_sizes: tuple[int, ...]

    def __call__(self, images: NDArray[np.uint8]) -> Candidates:
        """Run images uint8 (B, H, W, 3) RGB; raises DeviceLostError if no later call can succeed."""
        ...

    def prepare(self, size: int) -> None:
        """Do what makes the first run of one of the `late_sizes` slow. It is no call: it takes no stream."""
        ...

    def close(self) -> None:
        """Free what the engine holds; it is not called again."""
        ...


def batch_sizes_up_to(max_batch: int) -> tuple[int, ...]:
    """The powers of two up to `max_batch`, and `max_batch` itself."""
    return tuple(sorted({*(2**power for power in range(max_batch.bit_length())), max_batch}))


def describe(engine: Engine) -> str:
    """Device and precision for people to read: "cpu, bf16"."""
    return f"{engine.device}, {engine.precision}"
