"""Stands in for ONNX Runtime's CUDA provider: the CPU computes, and ONNX Runtime says that a GPU did.

It needs onnxruntime and numpy alone. It shows faults of our own calls. It does not show how fast or how exact a GPU is.
"""

import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"


@dataclass
class Gpu:
    """The faults of the GPU that is not there, to be set at any time, and what was done with it."""

    problem: str = ""  # raised at the first use of CUDA
    refuses_graphs: bool = False
    fails: bool = False  # a run raises
    is_lost: bool = False  # a run and a copy raise
    falls_back: bool = False  # a session silently uses the CPU, as if a library were missing
    sessions: list[Any] = field(default_factory=list)  # all that were made; `Session` below
    num_values: int = 0  # tensors on the GPU


gpu = Gpu()
make_value, update_inplace = onnxruntime.OrtValue.ortvalue_from_shape_and_type, onnxruntime.OrtValue.update_inplace


class Session(onnxruntime.InferenceSession):  # type: ignore[misc]
    """A session whose nodes run on the CPU. `settings` are those of the CUDA provider; None if it was not asked for.

    `runs` holds the thread of each run, and the addresses of the tensors that are bound at that time: a CUDA graph
    belongs to the thread that captured it, and always reads and writes the same addresses.
    """

    def __init__(self, model: Any, options: Any = None, providers: Any = None, **others: Any) -> None:
        given: dict[str, Any] = dict(
            provider if isinstance(provider, tuple) else (provider, {}) for provider in providers or [CPU]
        )
        self.settings: dict[str, str] | None = given.pop(CUDA, None)
        self.runs: list[tuple[int, tuple[int, ...]]] = []
        self._falls_back = gpu.falls_back
        if self.captures and gpu.refuses_graphs:
            raise RuntimeError("This session cannot use the graph capture feature\nas requested by the user")
        super().__init__(model, options, providers=[*given] or [CPU], **others)
        if self.settings is not None:
            gpu.sessions.append(self)

    @property
    def captures(self) -> bool:
        return self.settings is not None and self.settings.get("enable_cuda_graph") == "1"

    def get_providers(self) -> list[str]:
        return [CUDA, CPU] if self.settings is not None and not self._falls_back else [CPU]

    def run_with_iobinding(self, iobinding: Any, run_options: Any = None) -> None:
        if gpu.fails or gpu.is_lost:
            raise RuntimeError("CUDA failure 700: an illegal memory access was encountered ; GPU=0 ; expr=launch()")
        super().run_with_iobinding(iobinding, run_options)
        addresses = tuple(output.data_ptr() for output in iobinding.get_outputs())
        self.runs.append((threading.get_ident(), addresses))


class Value(onnxruntime.OrtValue):  # type: ignore[misc]
    """A tensor that would be on the GPU."""

    def update_inplace(self, values: NDArray[Any]) -> None:
        if gpu.is_lost:
            raise RuntimeError("CUDA failure 700: an illegal memory access was encountered ; GPU=0 ; expr=cudaMemcpy()")
        update_inplace(self, values)

    def numpy(self) -> NDArray[Any]:
        """A copy, as from a GPU; ONNX Runtime gives the memory itself if it is the CPU's."""
        values: NDArray[Any] = super().numpy().copy()
        return values


def value_of(shape: Sequence[int], kind: Any, device_type: str = "cpu", device_id: int = 0, *others: Any) -> Any:
    """OrtValue.ortvalue_from_shape_and_type; the tensor's memory holds no zeros, as on a GPU."""
    if device_type != "cuda":
        return make_value(shape, kind, device_type, device_id, *others)
    if gpu.problem:
        raise RuntimeError(gpu.problem)
    gpu.num_values += 1
    value = Value(make_value(shape, kind)._ortvalue)
    update_inplace(value, np.full(shape, 77, kind))
    return value


def install(*, set_attribute: Callable[[Any, str, Any], None] = setattr) -> Gpu:
    """Let ONNX Runtime in this process believe in a GPU, and return that.

    A test passes `monkeypatch.setattr`, which ends it.
    """
    set_attribute(sys.modules[__name__], "gpu", Gpu())
    set_attribute(onnxruntime, "get_available_providers", lambda: [CUDA, CPU])
    set_attribute(onnxruntime, "InferenceSession", Session)
    set_attribute(onnxruntime.OrtValue, "ortvalue_from_shape_and_type", staticmethod(value_of))
    return gpu
