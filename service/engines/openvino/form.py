"""The forms of a bundle's model that OpenVINO can run, and the choice between them."""

import logging
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import openvino

from service.bundle import INT8_MODEL, Bundle, Manifest
from service.cores import has_vnni
from service.engines.openvino.first_layers import keep_first_layers_in_fp32
from service.engines.openvino.model import Outputs, Request
from service.engines.openvino.offset_conv import OffsetConv, offset_conv_extension, release
from service.engines.openvino.top_k import best_candidates, cut_before_top_k
from service.engines.protocol import Candidates, EngineError, Precision
from service.engines.speed import fastest_seconds
from service.engines.tensor_contract import OUTPUTS, OfferedTensor, check_tensors

WORTHWHILE_SPEEDUP = 1.15  # of int8 over the same model in bf16 or fp32: it costs a little accuracy
NUM_ROUNDS = 5
NUMPY_TYPES = {"u8": "uint8", "i32": "int32", "f32": "float32"}

Measure = Callable[[Sequence[Callable[[], object]], int], list[float]]

logger = logging.getLogger("singleshot")


class Form:
    """model.onnx in fp32 or bf16, or model.int8.onnx, read and compiled for one image and `num_threads` threads.

    `float_precision` is the precision of the layers that are not in int8. Raises EngineError.
    """

    def __init__(
        self, path: Path, manifest: Manifest, precision: Precision, float_precision: Precision, num_threads: int
    ) -> None:
        self.precision = precision
        self.float_precision = float_precision
        self.operators: list[OffsetConv] = []
        self._max_candidates = manifest.max_candidates
        remedy = "make it again with `python -m export quantize`" if precision == "int8" else "export the bundle again"
        try:
            if precision == "int8":
                self.model = read_model(path, "fp32", self.operators)
                if float_precision == "bf16":
                    keep_first_layers_in_fp32(self.model)
            else:
                self.model = read_model(path, float_precision, self.operators)
            check_tensors(
                path,
                manifest,
                [offered(port) for port in self.model.inputs],
                [offered(port) for port in self.model.outputs],
                remedy=remedy,
            )
            names = [port.any_name for port in self.model.outputs]
            self._positions = [names.index(name) for name in OUTPUTS]
            cut = cut_before_top_k(self.model)
            self._is_cut = cut is not None
            self.model = cut or self.model
            self.request = Request(self.model, float_precision, num_threads, 1)
        except EngineError:
            release(self.operators)
            raise
        except RuntimeError as error:
            release(self.operators)
            reason = str(error).strip().splitlines()[-1]
            raise EngineError(f"{path}: OpenVINO cannot load it: {reason}; {remedy} or use `--engine onnx`") from error

    def candidates(self, outputs: Outputs) -> Candidates:
        """The candidates that the model's outputs are, or that are chosen from them."""
        if self._is_cut:
            boxes, scores = outputs
            return best_candidates(boxes, scores, self._max_candidates)
        return Candidates(*(outputs[position] for position in self._positions))

    def release(self) -> None:
        """Free the compiled model; the form is not used any more."""
        del self.model, self.request
        release(self.operators)


def open_form(bundle: Bundle, precision: Precision, float_precision: Precision, num_threads: int) -> Form:
    """The form in which OpenVINO runs a bundle in `precision`; raises EngineError.

    auto is int8 if the bundle has that form, if its loss was measured to be within its bound, and if this CPU computes
    it exactly and enough faster. Else it is the model in `float_precision`, in which are also the layers of the form
    that are not in int8.
    """
    manifest, path = bundle.manifest, bundle.int8_model_path
    if precision == "int8":
        if path is None:
            raise EngineError(
                f"{bundle.path}: it has no {INT8_MODEL}, the model in int8; make it with "
                f"`python -m export quantize {bundle.path} --data DIR --split train`, or choose `--precision auto`"
            )
        return Form(path, manifest, "int8", float_precision, num_threads)
    plain = Form(bundle.model_path, manifest, float_precision, float_precision, num_threads)
    is_allowed = precision == "auto" and manifest.int8 is not None and manifest.int8.is_accurate and has_vnni()
    if path is None or not is_allowed:
        return plain
    try:
        int8 = Form(path, manifest, "int8", float_precision, num_threads)
    except EngineError:
        plain.release()
        raise
    return faster_form(bundle, plain, int8)


def faster_form(bundle: Bundle, plain: Form, int8: Form) -> Form:
    """The one of two forms that is worthwhile on this CPU; the other is released."""
    spec = bundle.manifest.input
    image = np.random.default_rng(0).integers(0, 256, (1, spec.height, spec.width, 3), dtype=np.uint8)
    seconds = fastest_seconds([partial(form.request.infer, image) for form in (plain, int8)], NUM_ROUNDS)
    chosen, other = (int8, plain) if is_worthwhile(*seconds) else (plain, int8)
    other.release()
    logger.info(
        "%s: an image takes %.2f ms in %s and %.2f ms in int8, so it runs in %s",
        bundle.manifest.name,
        1000 * seconds[0],
        plain.precision,
        1000 * seconds[1],
        chosen.precision,
    )
    return chosen


def is_worthwhile(plain_seconds: float, int8_seconds: float) -> bool:
    """Whether int8 is enough faster than the same model without it."""
    return plain_seconds >= WORTHWHILE_SPEEDUP * int8_seconds


def offered(port: openvino.Output) -> OfferedTensor:
    """An input or output as OpenVINO describes it."""
    kind, shape = port.get_element_type().get_type_name(), port.get_partial_shape()
    lengths = None if shape.rank.is_dynamic else tuple(d.get_length() if d.is_static else None for d in shape)
    return OfferedTensor(port.any_name, NUMPY_TYPES.get(kind, kind), lengths)


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
