"""The fast engine on a CPU: OpenVINO, an optional dependency (`pip install .[cpu]`)."""

from queue import SimpleQueue

import numpy as np
import openvino
from numpy.typing import NDArray

from service.bundle import Bundle
from service.engine import Candidates, EngineError

OUTPUTS = ("boxes", "scores", "labels")


class OpenvinoEngine:
    """Runs model.onnx of a bundle with OpenVINO in fp32; its default on AMX is bf16, which moves boxes by pixels.

    Each of `num_streams` streams has `num_threads` threads of its own and serves one call at a time.
    """

    name = "openvino"
    description = "cpu, fp32"

    def __init__(self, bundle: Bundle, *, num_threads: int | None = None, num_streams: int = 1) -> None:
        properties: dict[str, object] = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "f32",
            "NUM_STREAMS": num_streams,
        }
        if num_threads is not None:
            properties["INFERENCE_NUM_THREADS"] = num_threads * num_streams
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
        self._free: SimpleQueue[openvino.InferRequest] = SimpleQueue()
        for _ in range(num_streams):
            self._free.put(model.create_infer_request())

    def __call__(self, images: NDArray[np.uint8]) -> Candidates:
        """Run images uint8 (B, H, W, 3) RGB; as many calls at once as there are streams, the next waits."""
        request = self._free.get()
        try:
            results = request.infer([images], share_inputs=True, share_outputs=False)
        finally:
            self._free.put(request)
        boxes, scores, labels = (results[position] for position in self._positions)
        return Candidates(boxes, scores, labels)

    def close(self) -> None:
        """Free the compiled model."""
        del self._free
