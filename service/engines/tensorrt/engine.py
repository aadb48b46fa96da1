"""The engine on NVIDIA GPUs: TensorRT's own runtime.

It ran on an H200 over a stand-in for TensorRT, and not yet over TensorRT itself.
"""

import logging
from importlib import import_module
from queue import Empty, SimpleQueue
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.bundle import Bundle, EngineFile
from service.engines.protocol import Candidates, EngineError, batch_sizes_up_to
from service.engines.tensor_contract import OfferedTensor, check_tensors, tensors_of
from service.engines.tensorrt.cache import DamagedEngineError
from service.engines.tensorrt.cuda import CudaError, checked, require_bindings, runtime, use_first_gpu
from service.engines.tensorrt.lane import Lane
from service.engines.tensorrt.plugin import register

NUM_LANES = 2  # while one batch is computed, the images of the next and the outputs of the last are copied
REFUSALS = (  # what is raised if TensorRT or CUDA cannot do a call
    *(CudaError, ImportError, OSError, RuntimeError),
    TypeError,  # from a null pointer
    AttributeError,  # this version of TensorRT lacks the call
)

logger = logging.getLogger("singleshot")


class TensorrtEngine:
    """Runs an engine file of a bundle. Each of its lanes serves one call at a time, on its own CUDA stream."""

    name = "tensorrt"
    num_threads = 1
    late_sizes: tuple[int, ...] = ()

    def __init__(self, bundle: Bundle, name: str, file: EngineFile, *, num_streams: int | None = 1) -> None:
        path = bundle.path / name
        remedy = f"build it again with `python -m export engine {bundle.path} --target {file.compute_capability}`"
        self.device = file.compute_capability
        self.precision: str = file.precision
        self.num_streams = NUM_LANES if num_streams is None else min(num_streams, NUM_LANES)
        self.batch_sizes: tuple[int, ...] | None = batch_sizes_up_to(file.max_batch)
        self._max_batch = file.max_batch
        self._is_closed = False
        self._idle: SimpleQueue[Lane] = SimpleQueue()
        try:
            require_bindings()
            use_first_gpu()
            checked(runtime.cudaSetDeviceFlags(runtime.cudaDeviceScheduleBlockingSync))  # waiting threads sleep
            trt = import_module(file.flavour)
            register(trt)
            self._logger = trt.Logger(trt.Logger.ERROR)  # kept: the runtime holds no reference to it
            self._runtime = trt.Runtime(self._logger)
            self._engine = self._runtime.deserialize_cuda_engine(path.read_bytes())
            if self._engine is None:
                raise DamagedEngineError(f"{path}: {file.flavour} {file.version} cannot load it; {remedy}")
            inputs, outputs = offered(trt, self._engine)
            check_tensors(path, bundle.manifest, inputs, outputs, remedy=remedy, is_exact=True)
            for _ in range(self.num_streams):
                self._idle.put(Lane(trt, self._engine, tensors_of(bundle.manifest), self._max_batch))
        except REFUSALS as error:
            self._free_idle_lanes()
            raise EngineError(f"{path}: TensorRT cannot run it: {error}; {remedy}") from error
        except BaseException:
            self._free_idle_lanes()
            raise

    def __call__(self, images: NDArray[np.uint8]) -> Candidates:
        """Run images uint8 (B, H, W, 3) RGB. More images than the engine's largest batch run in several batches."""
        if self._is_closed:
            raise RuntimeError("the engine is closed")  # it has no lane to wait for
        lane = self._idle.get()
        try:
            parts = [
                lane.run(images[start : start + self._max_batch]) for start in range(0, len(images), self._max_batch)
            ]
        finally:
            self._idle.put(lane)
            if self._is_closed:
                self._free_idle_lanes()
        boxes, scores, labels = (np.concatenate(part) for part in zip(*parts, strict=True))
        return Candidates(boxes, scores, labels)

    def prepare(self, size: int) -> None:
        """Nothing: the engine has no late sizes."""

    def close(self) -> None:
        """Free the engine's lanes and their memory. A lane that still runs a batch is freed when the batch ends."""
        if self._is_closed:
            return
        self._is_closed = True
        num_busy = self.num_streams - self._free_idle_lanes()
        if num_busy > 0:
            logger.warning("TensorRT still runs %d batches; their memory on the GPU is freed when they end", num_busy)
        self._engine = None  # a busy lane has its own reference

    def _free_idle_lanes(self) -> int:
        """Free the lanes that run nothing, and return their number."""
        num_freed = 0
        while True:
            try:
                lane = self._idle.get_nowait()
            except Empty:
                return num_freed
            lane.close()
            num_freed += 1


def offered(trt: Any, engine: Any) -> tuple[list[OfferedTensor], list[OfferedTensor]]:
    """The inputs and the outputs of an engine, as TensorRT describes them."""
    inputs: list[OfferedTensor] = []
    outputs: list[OfferedTensor] = []
    for name in (engine.get_tensor_name(i) for i in range(engine.num_io_tensors)):
        kind = np.dtype(trt.nptype(engine.get_tensor_dtype(name))).name
        shape = tuple(None if length == -1 else length for length in engine.get_tensor_shape(name))
        is_input = engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT
        (inputs if is_input else outputs).append(OfferedTensor(name, kind, shape))
    return inputs, outputs
