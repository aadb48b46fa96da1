"""The engine on NVIDIA GPUs for which the bundle has no TensorRT engine: ONNX Runtime's CUDA provider."""

import ctypes
import logging
import re
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from service.bundle import Bundle
from service.engines.onnx_runtime import model_path, open_on_cpu, session_options
from service.engines.protocol import Candidates, DeviceLostError, EngineError, Precision, batch_sizes_up_to
from service.engines.tensor_contract import IMAGES, TensorSpec, tensors_of

CUDA = "CUDAExecutionProvider"
# TF32 would round the boxes too, to ten bits. An exhaustive search for convolutions takes seconds for each batch size.
SETTINGS = {"use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC"}
NUM_WARM_UPS = 3  # runs that allocate memory, choose convolutions and capture the CUDA graph
LIBRARY = Path(onnxruntime.__file__).parent / "capi" / "libonnxruntime_providers_cuda.so"
DRIVER_TOO_OLD = 35  # cudaErrorInsufficientDriver
FATAL = 4  # of ONNX Runtime's log. An error raises an exception too, except where cuDNN refuses a plan for another one

logger = logging.getLogger("singleshot")


class OnnxCudaEngine:
    """Runs model.onnx of a bundle, or its fp16 form, on the first GPU.

    There is one session for each batch size. With a fixed size all nodes run on the GPU, so that a run is one CUDA
    graph. ONNX Runtime keeps a graph for the thread that captured it, so the engine's own thread makes and runs all
    sessions. It runs the calls one after the other.
    """

    name = "onnx"
    device = "cuda"
    num_streams = 1
    num_threads = 1
    late_sizes: tuple[int, ...] = ()

    def __init__(self, bundle: Bundle, *, precision: Precision = "auto", max_batch: int = 8) -> None:
        chosen = choose_precision(bundle, precision)
        self.precision: str = chosen
        self.batch_sizes: tuple[int, ...] | None = batch_sizes_up_to(max_batch)
        self._max_batch = max_batch
        self._sessions: dict[int, _Session] = {}  # by batch size, in rising order
        self._probe: Any = None
        self._thread = ThreadPoolExecutor(1, "onnx-cuda")
        try:
            self._thread.submit(self._open, bundle, model_path(bundle, chosen)).result()
        except BaseException:
            self.close()
            raise

    def __call__(self, images: NDArray[np.uint8]) -> Candidates:
        """Run images uint8 (B, H, W, 3) RGB. More images than the largest batch run in several batches."""
        return self._thread.submit(self._run, images).result()

    def prepare(self, size: int) -> None:
        """Nothing: the engine has no late sizes."""

    def close(self) -> None:
        """Free the sessions after the calls that were made before, and end the thread."""
        self._thread.submit(self._free).result()
        self._thread.shutdown()

    def _open(self, bundle: Bundle, path: Path) -> None:
        onnxruntime.set_default_logger_severity(FATAL)
        self._probe = first_value_on_gpu()
        options = session_options(1)
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL  # it only reads the file
        batch_axis = open_on_cpu(path, bundle.manifest, options).get_inputs()[0].shape[0]
        reason = ""
        try:
            for size in batch_sizes_up_to(self._max_batch):
                make = partial(_Session, path, tensors_of(bundle.manifest), batch_axis, size)
                if not reason:
                    try:
                        self._sessions[size] = make(captures=True)
                    except Exception as error:  # ONNX Runtime's own exceptions have no common base class
                        reason = sentence(error)
                if reason:  # outside of the except block, which keeps the failed session alive
                    self._sessions[size] = make(captures=False)
        except Exception as error:
            raise EngineError(f"{path}: ONNX Runtime cannot run it on the GPU: {sentence(error)}") from error
        if reason:
            logger.warning("%s: ONNX Runtime runs it without CUDA graphs, and slower: %s", path, reason)

    def _run(self, images: NDArray[np.uint8]) -> Candidates:
        try:
            parts = [
                self._run_batch(images[start : start + self._max_batch])
                for start in range(0, len(images), self._max_batch)
            ]
        except Exception as error:
            if self._is_lost():
                raise DeviceLostError(f"the GPU is lost: {sentence(error)}; restart the server") from error
            raise
        boxes, scores, labels = (np.concatenate(part) for part in zip(*parts, strict=True))
        return Candidates(boxes, scores, labels)

    def _run_batch(self, images: NDArray[np.uint8]) -> list[NDArray[Any]]:
        size = min(size for size in self._sessions if size >= len(images))
        return self._sessions[size].run(images)

    def _is_lost(self) -> bool:
        """Whether a copy of one byte fails too: after a fault of a kernel each call of CUDA fails."""
        try:
            self._probe.update_inplace(np.zeros(1, np.uint8))
        except Exception:
            return True
        return False

    def _free(self) -> None:
        self._sessions.clear()
        self._probe = None


class _Session:
    """The session for batches of `size` images, with its input and its outputs at fixed addresses on the GPU.

    `batch_axis` is the name of the model's batch axis, if it has one. If `captures`, a run is a CUDA graph.
    """

    def __init__(
        self, path: Path, tensors: Sequence[TensorSpec], batch_axis: object, size: int, *, captures: bool
    ) -> None:
        options = session_options(1)
        if isinstance(batch_axis, str):
            options.add_free_dimension_override_by_name(batch_axis, size)
        providers = [(CUDA, SETTINGS | {"enable_cuda_graph": str(int(captures))}), "CPUExecutionProvider"]
        self._session = onnxruntime.InferenceSession(str(path), options, providers=providers, enable_fallback=0)
        if CUDA not in self._session.get_providers():  # ONNX Runtime only warns, and uses the CPU
            raise RuntimeError("ONNX Runtime chose the CPU")
        self._size = size
        self._images, *self._outputs = [on_gpu((size, *tensor.shape), tensor.dtype) for tensor in tensors]
        self._binding = self._session.io_binding()
        self._binding.bind_ortvalue_input(IMAGES, self._images)
        for tensor, output in zip(tensors[1:], self._outputs, strict=True):
            self._binding.bind_ortvalue_output(tensor.name, output)
        self._padded = np.zeros((size, *tensors[0].shape), np.uint8)
        for _ in range(NUM_WARM_UPS):
            self.run(self._padded)

    def run(self, images: NDArray[np.uint8]) -> list[NDArray[Any]]:
        """images uint8 (B, H, W, 3), B at most `size` -> boxes, scores, labels."""
        count = len(images)
        if count < self._size:  # rows beyond `count` are computed for nothing
            self._padded[:count] = images
            images = self._padded
        self._images.update_inplace(images)
        self._session.run_with_iobinding(self._binding)
        return [output.numpy()[:count] for output in self._outputs]


def choose_precision(bundle: Bundle, precision: Precision) -> Literal["fp32", "fp16"]:
    """The precision of the network; auto is fp16 if the bundle has that form. Raises EngineError for others."""
    if precision == "auto":
        return "fp16" if bundle.half_model_path else "fp32"
    if precision == "bf16" or precision == "int8":
        raise EngineError("ONNX Runtime computes in fp16 or fp32 on a GPU; choose one of them with --precision")
    return precision


def first_value_on_gpu() -> Any:
    """One byte on the GPU; raises EngineError if this ONNX Runtime cannot use one."""
    if hasattr(onnxruntime, "preload_dlls"):
        with redirect_stdout(sys.stderr):  # it prints what it cannot load
            onnxruntime.preload_dlls()
    if CUDA not in onnxruntime.get_available_providers():
        raise EngineError(
            "this ONNX Runtime has no CUDA: `pip uninstall onnxruntime`, then `pip install '.[gpu]'`, because the "
            "packages onnxruntime and onnxruntime-gpu exclude each other"
        )
    try:
        return on_gpu((1,), "uint8")
    except Exception as error:
        raise EngineError(f"ONNX Runtime cannot use CUDA: {problem_of(error)}") from error


def problem_of(error: Exception) -> str:
    """The reason and the remedy for an error that ONNX Runtime raised at its first use of CUDA."""
    failure = re.search(r"CUDA failure (\d+): (.+?) ;", str(error))
    if failure and int(failure[1]) == DRIVER_TOO_OLD:
        return "the NVIDIA driver is older than it needs; update the driver"
    if failure:
        return f"{failure[2]}; `nvidia-smi` should list a GPU"
    if LIBRARY.is_file():
        try:
            ctypes.CDLL(str(LIBRARY))
        except OSError as missing:
            if "libcuda.so" in str(missing):
                return "there is no NVIDIA driver; `nvidia-smi` should list a GPU"
            return f"{missing}; install its libraries with `pip install '.[gpu]'`"
    return sentence(error)


def on_gpu(shape: Sequence[int], dtype: str) -> Any:
    """A tensor on the first GPU, with any content."""
    return onnxruntime.OrtValue.ortvalue_from_shape_and_type(shape, np.dtype(dtype).type, "cuda", 0)


def sentence(error: Exception) -> str:
    """The error's message in one line."""
    return " ".join(str(error).split())
