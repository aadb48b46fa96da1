"""The fast engine on a CPU: OpenVINO, an optional dependency (`pip install .[cpu]`)."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from service.bundle import Bundle
from service.cores import num_cores
from service.engines.openvino.bf16_speed import bf16_speedup
from service.engines.openvino.form import open_form
from service.engines.openvino.model import CORE, PART_SIZES, OpenvinoModel
from service.engines.protocol import Candidates, EngineError, Precision

WORTHWHILE_SPEEDUP = 1.2  # of bf16: it costs a little accuracy


class OpenvinoEngine:
    """Runs model.onnx of a bundle with OpenVINO, in fp32 or bf16, or its form in int8.

    In int8 the convolutions that the form quantises are int8, and the others are bf16 or fp32, whatever is faster.
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
        self.num_streams = num_streams
        self.num_threads = num_threads or num_cores()
        self.late_sizes = tuple(size * self.num_threads for size in sorted(PART_SIZES))  # each thread runs whole images
        capabilities = CORE.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        float_precision = choose_precision("auto" if precision == "int8" else precision, capabilities)
        self._form = open_form(bundle, precision, float_precision, self.num_threads)
        self.precision: str = self._form.precision
        try:
            self._model = OpenvinoModel(
                self._form.model,
                float_precision,
                num_threads=self.num_threads,
                num_streams=self.num_streams,
                compiled=self._form.request,
            )
        except RuntimeError as error:
            self._form.release()
            reason = str(error).strip().splitlines()[-1]
            raise EngineError(f"{bundle.path}: OpenVINO cannot compile its model: {reason}") from error

    def __call__(self, images: NDArray[np.uint8]) -> Candidates:
        """Run images uint8 (B, H, W, 3) RGB. If all streams are busy, the call waits for one."""
        return self._form.candidates(self._model(images))

    def prepare(self, size: int) -> None:
        """Compile what batches of `size` images need; other calls run meanwhile."""
        self._model.prepare(size)

    def close(self) -> None:
        """Free the compiled models."""
        self._model.close()
        self._form.release()


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
