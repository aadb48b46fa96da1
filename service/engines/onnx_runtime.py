"""The portable engine: ONNX Runtime on the CPU."""

from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from service.bundle import HALF_MODEL, Bundle, Manifest
from service.cores import num_cores
from service.engines.protocol import Candidates, EngineError
from service.engines.tensor_contract import IMAGES, OUTPUTS, OfferedTensor, check_tensors


class OnnxEngine:
    """Runs model.onnx of a bundle with ONNX Runtime in fp32; idle threads sleep instead of spinning.

    A session takes calls from several threads at once. With num_threads=1 each call runs in its caller's thread. In
    fp16 it runs the bundle's form for GPUs, to check it: a CPU computes that with casts, and slower.
    """

    name = "onnx"
    device = "cpu"
    batch_sizes: tuple[int, ...] | None = None
    late_sizes: tuple[int, ...] = ()

    def __init__(
        self,
        bundle: Bundle,
        *,
        precision: Literal["fp32", "fp16"] = "fp32",
        num_threads: int | None = None,
        num_streams: int = 1,
    ) -> None:
        self.precision: str = precision
        self.num_streams = num_streams
        self.num_threads = num_threads or num_cores()
        self._session = open_on_cpu(model_path(bundle, precision), bundle.manifest, session_options(num_threads))

    def __call__(self, images: NDArray[np.uint8]) -> Candidates:
        """Run images uint8 (B, H, W, 3) RGB."""
        boxes, scores, labels = self._session.run(OUTPUTS, {IMAGES: images})
        return Candidates(boxes, scores, labels)

    def prepare(self, size: int) -> None:
        """Nothing: the engine has no late sizes."""

    def close(self) -> None:
        """Free the session."""
        del self._session


def model_path(bundle: Bundle, precision: Literal["fp32", "fp16"]) -> Path:
    """The bundle's model in that precision; raises EngineError if the bundle has no fp16 form."""
    if precision == "fp32":
        return bundle.model_path
    if bundle.half_model_path is None:
        raise EngineError(
            f"{bundle.path}: it has no {HALF_MODEL}, the model in fp16; export it again with `python -m export build`, "
            "or choose `--precision fp32`"
        )
    return bundle.half_model_path


def session_options(num_threads: int | None) -> Any:
    """A session's options, for that number of threads of the CPU; None means one a core."""
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    options.inter_op_num_threads = 1
    if num_threads is not None:
        options.intra_op_num_threads = num_threads
    return options


def open_on_cpu(path: Path, manifest: Manifest, options: Any) -> Any:
    """A session on the CPU for the model in the file `path`; raises EngineError if it is no model of `manifest`."""
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's own exceptions have no common base class
        raise EngineError(f"{path}: ONNX Runtime cannot load it: {error}; export the bundle again") from error
    check_tensors(
        path,
        manifest,
        [offered(tensor) for tensor in session.get_inputs()],
        [offered(tensor) for tensor in session.get_outputs()],
        remedy="export the bundle again",
    )
    return session


def offered(tensor: Any) -> OfferedTensor:
    """An input or output as ONNX Runtime describes it."""
    kind = tensor.type.removeprefix("tensor(").removesuffix(")")
    # the length of an axis is a name or None if it is not fixed; an unknown shape has no axes
    shape = tuple(length if isinstance(length, int) else None for length in tensor.shape)
    return OfferedTensor(tensor.name, {"float": "float32"}.get(kind, kind), shape or None)
