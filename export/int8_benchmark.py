"""A model in int8, quantised by NNCF for OpenVINO. Only the benchmark runs it; docs/results.md says why."""

from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from service.bundle import Bundle
from service.engines.openvino.form import read_model
from service.engines.openvino.model import CORE, OpenvinoModel
from service.engines.protocol import EngineError

# These operators make proposals and decode boxes; they are not quantised.
FLOAT_OPERATORS = (
    *("Concat", "Divide", "Exp", "Interpolate", "MatMul", "Maximum", "Minimum", "Multiply", "OffsetConv"),
    *("ReduceMax", "ReduceSum", "Softmax", "Subtract", "Tanh"),
)
NUM_CALIBRATION_IMAGES = 8  # of noise: speed does not depend on the images


class Int8Engine:
    """Runs the convolutions of a bundle's graph in int8, and the rest in bf16 if the CPU has it, else in fp32."""

    def __init__(self, bundle: Bundle, num_threads: int) -> None:
        if find_spec("nncf") is None:
            raise EngineError("--int8: NNCF, which quantises the model, is not installed; run `pip install nncf`")
        import nncf

        model = read_model(bundle.model_path, "fp32", [])
        spec = bundle.manifest.input
        shape = (NUM_CALIBRATION_IMAGES, 1, spec.height, spec.width, 3)
        noise = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        present = {operator.get_type_name() for operator in model.get_ops()}
        quantised = nncf.quantize(
            model,
            nncf.Dataset(noise),
            preset=nncf.QuantizationPreset.MIXED,
            ignored_scope=nncf.IgnoredScope(types=[name for name in FLOAT_OPERATORS if name in present]),
            subset_size=NUM_CALIBRATION_IMAGES,
        )
        has_bf16 = "BF16" in CORE.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        self._model = OpenvinoModel(quantised, "bf16" if has_bf16 else "fp32", num_threads=num_threads, num_streams=1)

    def __call__(self, images: NDArray[np.uint8]) -> object:
        """Run images uint8 (B, H, W, 3) RGB. The output is useless, because the model was calibrated with noise."""
        return self._model(images)

    def close(self) -> None:
        """Free the compiled models."""
        self._model.close()
