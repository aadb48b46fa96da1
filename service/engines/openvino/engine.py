"""The fast engine on a CPU: OpenVINO, an optional dependency (`pip install .[cpu]`)."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import openvino
from numpy.typing import NDArray

from service.bundle import Bundle
from service.cores import num_cores
from service.engines.openvino.bf16_speed import bf16_speedup
from service.engines.openvino.first_layers import keep_first_layers_in_fp32
from service.engines.openvino.model import CORE, PART_SIZES, OpenvinoModel
from service.engines.openvino.offset_conv import OffsetConv, offset_conv_extension, release
from service.engines.openvino.top_k import best_candidates, cut_before_top_k
from service.engines.protocol import Candidates, EngineError, Precision
from service.engines.tensor_contract import OUTPUTS, OfferedTensor, check_tensors

WORTHWHILE_SPEEDUP = 1.2  # of bf16: it costs a little accuracy
NUMPY_TYPES = {"u8": "uint8", "i32": "int32", "f32": "float32"}


class OpenvinoEngine:
    """Runs model.onnx of a bundle with OpenVINO, in fp32 or bf16.

    In bf16 the inputs and outputs of the convolutions are bf16, except in MobileNet's first layers. On the path to an
    output, all layers after the last convolution stay in fp32: OpenVINO does not change the precision of this tail. In
    our graphs the tail computes all coordinates, from the proposals to top-k. `top_k` replaces the end of the tail.
    Each of the `num_streams` streams has its own `num_threads` threads and serves one call at a time.
    """

    name = "openvino"
    device = "cpu"
    batch_sizes: tuple[int, ...] | None = None

    def __init__(
        self, bundle: Bundle, *, precision: Precision = "auto", num_threads: int | None = None, num_streams: int = 1
    ) -> None:
        precision = choose_precision(precision, CORE.get_property("CPU", "OPTIMIZATION_CAPABILITIES"))
        self.precision: str = precision
        self.num_streams = num_streams
        self.num_threads = num_threads or num_cores()
        self.late_sizes = tuple(size * self.num_threads for size in sorted(PART_SIZES))  # each thread runs whole images
        self._operators: list[OffsetConv] = []
        try:
            model = read_model(bundle.model_path, precision, self._operators)
            check_tensors(
                bundle.model_path,
                bundle.manifest,
                [offered(port) for port in model.inputs],
                [offered(port) for port in model.outputs],
                remedy="export the bundle again",
            )
            names = [port.any_name for port in model.outputs]
            self._positions = [names.index(name) for name in OUTPUTS]
            self._max_candidates = bundle.manifest.max_candidates
            cut = cut_before_top_k(model)
            self._is_cut = cut is not None
            model = cut or model
            self._model = OpenvinoModel(model, precision, num_threads=self.num_threads, num_streams=self.num_streams)
        except EngineError:
            release(self._operators)
            raise
        except RuntimeError as error:
            release(self._operators)
            reason = str(error).strip().splitlines()[-1]
            remedy = "export the bundle again or use `--engine onnx`"
            raise EngineError(f"{bundle.model_path}: OpenVINO cannot load it: {reason}; {remedy}") from error

    def __call__(self, images: NDArray[np.uint8]) -> Candidates:
        """Run images uint8 (B, H, W, 3) RGB. If all streams are busy, the call waits for one."""
        outputs = self._model(images)
        if self._is_cut:
            boxes, scores = outputs
            return best_candidates(boxes, scores, self._max_candidates)
        return Candidates(*(outputs[position] for position in self._positions))

    def close(self) -> None:
        """Free the compiled models."""
        self._model.close()
        release(self._operators)


def offered(port: openvino.Output) -> OfferedTensor:
    """An input or output as OpenVINO describes it."""
    kind, shape = port.get_element_type().get_type_name(), port.get_partial_shape()
    lengths = None if shape.rank.is_dynamic else tuple(d.get_length() if d.is_static else None for d in shape)
    return OfferedTensor(port.any_name, NUMPY_TYPES.get(kind, kind), lengths)


def choose_precision(
    wanted: Precision, capabilities: Sequence[str], speedup: Callable[[], float] = bf16_speedup
) -> Precision:
    """fp32 or bf16, for a CPU with these OpenVINO capabilities; raises EngineError.

    auto is bf16 if the CPU can compute in it and `speedup`, which measures it against fp32, finds it worthwhile.
    """
    if wanted == "bf16" and "BF16" not in capabilities:
        raise EngineError("OpenVINO cannot compute in bf16 on this CPU, which lacks AVX-512; choose `--precision fp32`")
    if wanted == "auto":
        return "bf16" if "BF16" in capabilities and speedup() >= WORTHWHILE_SPEEDUP else "fp32"
    return wanted


def read_model(model: Path | bytes, precision: Precision, operators: list[OffsetConv]) -> openvino.Model:
    """Read an ONNX file, or its content, that will be compiled for that precision; raises RuntimeError.

    The model's own operators are added to `operators`. When the model is no longer used, `release` them.
    """
    core = openvino.Core()
    core.add_extension(offset_conv_extension(precision, operators))
    read = core.read_model(model if isinstance(model, bytes) else str(model))
    if precision == "bf16":
        keep_first_layers_in_fp32(read)
    return read
