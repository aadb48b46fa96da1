"""The portable engine: ONNX Runtime, on the CPU or on an NVIDIA GPU."""

from typing import Any, Literal

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from service.bundle import Bundle
from service.cores import num_cores
from service.engines.protocol import Candidates, EngineError
from service.engines.tensor_contract import IMAGES, OUTPUTS, OfferedTensor, check_tensors

CUDA = "CUDAExecutionProvider"
CUDA_REMEDY = (
    "install onnxruntime-gpu instead of onnxruntime on a machine with an NVIDIA GPU, or choose `--engine onnx`"
)


class OnnxEngine:
    """Runs model.onnx of a bundle with ONNX Runtime in fp32; idle threads sleep instead of spinning.

    A session takes calls from several threads at once. With num_threads=1 each call runs in its caller's thread.
    """

    name = "onnx"
    precision = "fp32"
    batch_sizes: tuple[int, ...] | None = None

    def __init__(
        self,
        bundle: Bundle,
        *,
        device: Literal["cpu", "cuda"] = "cpu",
        num_threads: int | None = None,
        num_streams: int = 1,
    ) -> None:
        self.device: str = device
        self.num_streams = num_streams
        self.num_threads = num_threads or num_cores()
        providers = choose_providers(device, onnxruntime.get_available_providers())
        options = onnxruntime.SessionOptions()
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        options.inter_op_num_threads = 1
        if num_threads is not None:
            options.intra_op_num_threads = num_threads
        try:
            self._session = onnxruntime.InferenceSession(str(bundle.model_path), options, providers=providers)
        except Exception as error:  # ONNX Runtime's own exceptions have no common base class
            raise EngineError(
                f"{bundle.model_path}: ONNX Runtime cannot load it: {error}; export the bundle again"
            ) from error
        if device == "cuda" and CUDA not in self._session.get_providers():  # ONNX Runtime only warns, and uses the CPU
            raise EngineError(f"ONNX Runtime cannot use CUDA here: no GPU, or libraries that do not fit; {CUDA_REMEDY}")
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        check_tensors(
            bundle.model_path,
            bundle.manifest,
            [offered(tensor) for tensor in inputs],
            [offered(tensor) for tensor in outputs],
            remedy="export the bundle again",
        )

    def __call__(self, images: NDArray[np.uint8]) -> Candidates:
        """Run images uint8 (B, H, W, 3) RGB."""
        boxes, scores, labels = self._session.run(OUTPUTS, {IMAGES: images})
        return Candidates(boxes, scores, labels)

    def close(self) -> None:
        """Free the session."""
        del self._session


def offered(tensor: Any) -> OfferedTensor:
    """An input or output as ONNX Runtime describes it."""
    kind = tensor.type.removeprefix("tensor(").removesuffix(")")
    # the length of an axis is a name or None if it is not fixed; an unknown shape has no axes
    shape = tuple(length if isinstance(length, int) else None for length in tensor.shape)
    return OfferedTensor(tensor.name, {"float": "float32"}.get(kind, kind), shape or None)


def choose_providers(device: Literal["cpu", "cuda"], available: list[str]) -> list[Any]:
    """The execution providers for `device`, preferred ones first; raises EngineError if CUDA is not `available`."""
    if device == "cpu":
        return ["CPUExecutionProvider"]
    if CUDA not in available:
        raise EngineError(f"this ONNX Runtime was built without CUDA; {CUDA_REMEDY}")
    # TF32 would round the boxes too, to ten bits. By default each new batch size searches for the fastest convolutions
    # while its images wait: 24 ms of CPU a request instead of 7 on an H200.
    return [(CUDA, {"use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC"}), "CPUExecutionProvider"]
