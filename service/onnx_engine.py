"""The portable engine: ONNX Runtime on the CPU."""

import os

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # read at import: its wheels would start a telemetry client

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from service.bundle import Bundle
from service.engine import Candidates, EngineError

OUTPUTS = ("boxes", "scores", "labels")


class OnnxEngine:
    """Runs model.onnx of a bundle with ONNX Runtime; idle threads sleep instead of spinning.

    A session takes calls from several threads at once. With num_threads=1 each runs in its caller's thread.
    """

    name = "onnx"
    description = "cpu, fp32"

    def __init__(self, bundle: Bundle, *, num_threads: int | None = None) -> None:
        options = onnxruntime.SessionOptions()
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        options.inter_op_num_threads = 1
        if num_threads is not None:
            options.intra_op_num_threads = num_threads
        try:
            self._session = onnxruntime.InferenceSession(str(bundle.model_path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's own exceptions have no common base class
            raise EngineError(f"{bundle.model_path}: ONNX Runtime cannot load it: {error}; export the bundle again") from error
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
