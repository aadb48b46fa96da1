"""The fast engine on a CPU: OpenVINO, an optional dependency (`pip install .[cpu]`)."""

import numpy as np
import openvino
from numpy.typing import NDArray

from service.bundle import Bundle
from service.engine import Candidates, EngineError

OUTPUTS = ("boxes", "scores", "labels")


class OpenvinoEngine:
    """Runs model.onnx of a bundle with OpenVINO in fp32; its default on AMX is bf16, which moves boxes by pixels."""

    name = "openvino"
    description = "cpu, fp32"

    def __init__(self, bundle: Bundle, *, num_threads: int | None = None) -> None:
        properties: dict[str, object] = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "f32",
            "NUM_STREAMS": 1,
        }
        if num_threads is not None:
            properties["INFERENCE_NUM_THREADS"] = num_threads
        try:
            model = openvino.Core().compile_model(str(bundle.model_path), "CPU", properties)
        except RuntimeError as error:
            first_line = str(error).strip().splitlines()[-1]
            raise EngineError(
                f"{bundle.model_path}: OpenVINO cannot load it: {first_line}; export the bundle again or use `--engine onnx`"
            ) from error
        inputs = [port.any_name for port in model.inputs]
        outputs = [port.any_name for port in model.outputs]
        if inputs != ["images"] or not set(outputs).issuperset(OUTPUTS):
            raise EngineError(
                f"{bundle.model_path}: it maps {inputs} to {sorted(outputs)}, a bundle maps ['images'] to {sorted(OUTPUTS)}; "
                "export the bundle again"
            )
        self._positions = [outputs.index(name) for name in OUTPUTS]
        self._request = model.create_infer_request()

    def __call__(self, images: NDArray[np.uint8]) -> Candidates:
        """Run images uint8 (B, H, W, 3) RGB; not for two threads at once."""
        results = self._request.infer([images], share_inputs=True, share_outputs=False)
        boxes, scores, labels = (results[position] for position in self._positions)
        return Candidates(boxes, scores, labels)

    def close(self) -> None:
        """Free the compiled model."""
        del self._request
