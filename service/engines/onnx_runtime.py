"""The portable engine: ONNX Runtime, on the CPU or on an NVIDIA GPU."""

from typing import Any, Literal

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from service.bundle import Bundle
from service.cores import num_cores
from service.engines.engine import Candidates, EngineError

OUTPUTS = ("boxes", "scores", "labels")
CUDA = "CUDAExecutionProvider"
CUDA_REMEDY = (
    "install onnxruntime-gpu in the place of onnxruntime on a machine with an NVIDIA GPU, or choose `--engine onnx`"
)


class OnnxEngine:
    """Runs model.onnx of a bundle with ONNX Runtime in fp32; idle threads sleep instead of spinning.

    A session takes calls from several threads at once. With num_threads=1 each runs in its caller's thread.
    """

    name = "onnx"
    precision = "fp32"

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
        if device == "cuda" and CUDA not in self._session.get_providers():  # it warns and goes on without a GPU
            raise EngineError(f"ONNX Runtime cannot use CUDA here: no GPU, or libraries that do not fit; {CUDA_REMEDY}")
        inputs = [tensor.name for tensor in self._session.get_inputs()]
        outputs = {tensor.name for tensor in self._session.get_outputs()}
        if inputs != ["images"] or not outputs.issuperset(OUTPUTS):
            raise EngineError(
                f"{bundle.model_path}: it maps {inputs} to {sorted(outputs)}, a bundle maps ['images'] to {sorted(OUTPUTS)}; "
                "export the bundle again"
            )

    def __call__(self, images: NDArray[np.uint8]) -> Candidates:
        """Run images uint8 (B, H, W, 3) RGB."""
        boxes, scores, labels = self._session.run(OUTPUTS, {"images": images})
        return Candidates(boxes, scores, labels)

    def close(self) -> None:
        """Free the session."""
        del self._session


def choose_providers(device: Literal["cpu", "cuda"], available: list[str]) -> list[Any]:
    """What ONNX Runtime runs the graph with, of what it has, in order of preference; raises EngineError."""
    if device == "cpu":
        return ["CPUExecutionProvider"]
    if CUDA not in available:
        raise EngineError(f"this ONNX Runtime was built without CUDA; {CUDA_REMEDY}")
    return [(CUDA, {"use_tf32": "0"}), "CPUExecutionProvider"]  # TF32 rounds to ten bits, and boxes with it
