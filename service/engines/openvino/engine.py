"""The fast engine on a CPU: OpenVINO, an optional dependency (`pip install .[cpu]`)."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import openvino
from numpy.typing import NDArray

from service.bundle import Bundle
from service.cores import has_amx, num_cores
from service.engines.engine import Candidates, EngineError, Precision
from service.engines.openvino.model import CORE, OpenvinoModel
from service.engines.openvino.offset_conv import OffsetConv, offset_conv_extension, release

OUTPUTS = ("boxes", "scores", "labels")


class OpenvinoEngine:
    """Runs model.onnx of a bundle with OpenVINO, in fp32 or bf16.

    In bf16 the convolutions take and give bf16. Whatever comes after the last of them on the way to an output stays in
    fp32: OpenVINO leaves that tail alone, and in our graphs it holds all coordinates, from the proposals to top-k.
    Each of `num_streams` streams has `num_threads` threads of its own and serves one call at a time.
    """

    name = "openvino"
    device = "cpu"

    def __init__(
        self, bundle: Bundle, *, precision: Precision = "auto", num_threads: int | None = None, num_streams: int = 1
    ) -> None:
        precision = choose_precision(precision, CORE.get_property("CPU", "OPTIMIZATION_CAPABILITIES"), is_amx=has_amx())
        self.precision: str = precision
        self.num_streams = num_streams
        self.num_threads = num_threads or num_cores()
        self._operators: list[OffsetConv] = []
        try:
            model = read_model(bundle.model_path, precision, self._operators)
            self._positions = positions_of(model, bundle)
            self._model = OpenvinoModel(model, precision, num_threads=self.num_threads, num_streams=self.num_streams)
        except EngineError:
            release(self._operators)
            raise
        except RuntimeError as error:
            release(self._operators)
            first_line = str(error).strip().splitlines()[-1]
            raise EngineError(
                f"{bundle.model_path}: OpenVINO cannot load it: {first_line}; export the bundle again or use `--engine onnx`"
            ) from error

    def __call__(self, images: NDArray[np.uint8]) -> Candidates:
        """Run images uint8 (B, H, W, 3) RGB; as many calls at once as there are streams, the next waits."""
        outputs = self._model(images)
        return Candidates(*(outputs[position] for position in self._positions))

    def close(self) -> None:
        """Free the compiled models."""
        self._model.close()
        release(self._operators)


def positions_of(model: openvino.Model, bundle: Bundle) -> list[int]:
    """Where a bundle's outputs are among the model's; raises EngineError where it has other inputs or outputs."""
    inputs = [port.any_name for port in model.inputs]
    outputs = [port.any_name for port in model.outputs]
    if inputs != ["images"] or not set(outputs).issuperset(OUTPUTS):
        raise EngineError(
            f"{bundle.model_path}: it maps {inputs} to {sorted(outputs)}, a bundle maps ['images'] to {sorted(OUTPUTS)}; "
            "export the bundle again"
        )
    return [outputs.index(name) for name in OUTPUTS]


def choose_precision(wanted: Precision, capabilities: Sequence[str], *, is_amx: bool) -> Precision:
    """fp32 or bf16, on a CPU with AMX or without and what OpenVINO calls its capabilities; raises EngineError.

    auto is bf16 where AMX makes it three times as fast as fp32. Without AMX it is slower than fp32, even on a CPU with the
    bf16 instructions of AVX-512; where it has none, OpenVINO emulates them.
    """
    if wanted == "bf16" and "BF16" not in capabilities:
        raise EngineError("OpenVINO cannot compute in bf16 on this CPU, which lacks AVX-512; choose `--precision fp32`")
    if wanted == "auto":
        return "bf16" if is_amx and "BF16" in capabilities else "fp32"
    return wanted


def read_model(model: Path | bytes, precision: Precision, operators: list[OffsetConv]) -> openvino.Model:
    """An ONNX file, or its content, that will be compiled for that precision; raises RuntimeError.

    What comes to stand in `operators` has to be released in the end.
    """
    core = openvino.Core()
    core.add_extension(offset_conv_extension(precision, operators))
    return core.read_model(model if isinstance(model, bytes) else str(model))
