"""A model in int8, for the benchmark alone: NNCF quantises it for OpenVINO. No server serves it (docs/results.md says why)."""

from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from service.bundle import Bundle
from service.engines.engine import EngineError
from service.engines.openvino.engine import read_model
from service.engines.openvino.model import CORE, OpenvinoModel

FLOAT_OPERATORS = (  # of coordinates, proposals and decoding
    *("Concat", "Divide", "Exp", "Interpolate", "MatMul", "Maximum", "Minimum", "Multiply", "OffsetConv"),
    *("ReduceMax", "ReduceSum", "Softmax", "Subtract", "Tanh"),
)
NUM_CALIBRATION_IMAGES = 8  # of noise: speed does not depend on them


class Int8Engine:
    """The convolutions of a bundle's graph in int8, the rest in bf16 where the CPU has it."""

    def __init__(self, bundle: Bundle, num_threads: int) -> None:
        if find_spec("nncf") is None:
            raise EngineError("NNCF is not installed, which makes the int8 model; install it with `pip install nncf`")
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
        """Run images uint8 (B, H, W, 3) RGB; what comes out is of a model that noise calibrated, and worth nothing."""
        return self._model(images)

    def close(self) -> None:
        """Free the compiled models."""
        self._model.close()
