"""The engine on NVIDIA GPUs: TensorRT's own runtime.

It ran on an H200 over a stand-in for TensorRT, and not yet over TensorRT itself.
"""

import ctypes
import math
from collections.abc import Callable, Sequence
from importlib import import_module
from queue import SimpleQueue
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.bundle import Bundle, EngineFile
from service.engines.protocol import Candidates, EngineError, batch_sizes_up_to
from service.engines.tensor_contract import IMAGES, OfferedTensor, TensorSpec, check_tensors, tensors_of
from service.engines.tensorrt.cuda import CudaError, checked, require_bindings, runtime
from service.engines.tensorrt.plugin import register

NUM_LANES = 2  # while one batch is computed, the images of the next and the outputs of the last are copied


class TensorrtEngine:
    """Runs an engine file of a bundle. Each of its lanes serves one call at a time, on its own CUDA stream."""

    name = "tensorrt"
    num_threads = 1

    def __init__(self, bundle: Bundle, name: str, file: EngineFile, *, num_streams: int | None = 1) -> None:
        path = bundle.path / name
        remedy = f"build it again with `python -m export engine {bundle.path} --target {file.compute_capability}`"
        self.device = file.compute_capability
        self.precision: str = file.precision
        self.num_streams = NUM_LANES if num_streams is None else min(num_streams, NUM_LANES)
        self.batch_sizes: tuple[int, ...] | None = batch_sizes_up_to(file.max_batch)
        self._max_batch = file.max_batch
        self._lanes: list[_Lane] = []
        try:
            require_bindings()
            checked(runtime.cudaSetDeviceFlags(runtime.cudaDeviceScheduleBlockingSync))  # waiting threads sleep
            trt = import_module(file.flavour)
            register(trt)
            self._logger = trt.Logger(trt.Logger.ERROR)  # kept: the runtime holds no reference to it
            self._runtime = trt.Runtime(self._logger)
            self._engine = self._runtime.deserialize_cuda_engine(path.read_bytes())
            if self._engine is None:
                raise EngineError(f"{path}: {file.flavour} {file.version} cannot load it; {remedy}")
            inputs, outputs = offered(trt, self._engine)
            check_tensors(path, bundle.manifest, inputs, outputs, remedy=remedy, is_exact=True)
            for _ in range(self.num_streams):
                self._lanes.append(_Lane(trt, self._engine, tensors_of(bundle.manifest), self._max_batch))
        except (CudaError, ImportError, OSError, RuntimeError, TypeError) as error:  # TypeError: from a null pointer
            self.close()
            raise EngineError(f"{path}: TensorRT cannot run it: {error}; {remedy}") from error
        except EngineError:
            self.close()
            raise
        self._free: SimpleQueue[_Lane] = SimpleQueue()
        for lane in self._lanes:
            self._free.put(lane)

    def __call__(self, images: NDArray[np.uint8]) -> Candidates:
        """Run images uint8 (B, H, W, 3) RGB. More images than the engine's largest batch run in several batches."""
        lane = self._free.get()
        try:
            parts = [
                lane.run(images[start : start + self._max_batch]) for start in range(0, len(images), self._max_batch)
            ]
        finally:
            self._free.put(lane)
        boxes, scores, labels = (np.concatenate(part) for part in zip(*parts, strict=True))
        return Candidates(boxes, scores, labels)

    def close(self) -> None:
        """Free the lanes' memory and the engine."""
        while self._lanes:
            self._lanes.pop().close()
        self._engine = None


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


def bytes_of(tensor: TensorSpec, batch: int) -> int:
    return batch * math.prod(tensor.shape) * np.dtype(tensor.dtype).itemsize


class _Lane:
    """A CUDA stream, its memory, and CUDA graphs for some batch sizes: the powers of two and the largest."""

    def __init__(self, trt: Any, engine: Any, tensors: Sequence[TensorSpec], max_batch: int) -> None:
        self._frees: list[Callable[[], object]] = []
        self._tensors = tensors
        try:
            self._stream = self._own(
                runtime.cudaStreamCreateWithFlags(runtime.cudaStreamNonBlocking), runtime.cudaStreamDestroy
            )
            self._on_gpu = {tensor.name: self._on_device(bytes_of(tensor, max_batch)) for tensor in tensors}
            self._pinned = {tensor.name: self._on_host(tensor, max_batch) for tensor in tensors}
            scratch_bytes = engine.device_memory_size_v2
            scratch = self._on_device(max(scratch_bytes, 1))
            self._contexts: list[Any] = []  # kept: a graph needs the context that it was captured from
            self._graphs: dict[int, Any] = {}
            for size in batch_sizes_up_to(max_batch):
                context = engine.create_execution_context(trt.ExecutionContextAllocationStrategy.USER_MANAGED)
                # one block for all contexts: a lane runs one batch at a time
                context.set_device_memory(scratch, scratch_bytes)
                context.set_input_shape(IMAGES, (size, *tensors[0].shape))
                for name, pointer in self._on_gpu.items():
                    context.set_tensor_address(name, pointer)
                self._contexts.append(context)
                self._graphs[size] = self._capture(context, size)
        except BaseException:
            self.close()
            raise

    def run(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int32]]:
        """images uint8 (B, H, W, 3), B at most the engine's largest batch -> boxes, scores, labels."""
        count = len(images)
        self._pinned[IMAGES][:count] = images
        size = min(size for size in self._graphs if size >= count)  # rows beyond `count` are computed for nothing
        checked(runtime.cudaGraphLaunch(self._graphs[size], self._stream))
        checked(runtime.cudaStreamSynchronize(self._stream))
        boxes, scores, labels = (self._pinned[tensor.name][:count].copy() for tensor in self._tensors[1:])
        return boxes, scores, labels

    def _capture(self, context: Any, size: int) -> Any:
        """The graph of one batch: copy images to the GPU, run the network, copy the outputs back."""
        self._enqueue(context, size)  # the first run loads and allocates, which must not be captured
        checked(runtime.cudaStreamSynchronize(self._stream))
        checked(
            runtime.cudaStreamBeginCapture(self._stream, runtime.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal)
        )
        try:
            self._enqueue(context, size)
        finally:
            ended = runtime.cudaStreamEndCapture(self._stream)
        graph = checked(ended)
        try:
            return self._own(runtime.cudaGraphInstantiate(graph, 0), runtime.cudaGraphExecDestroy)
        finally:
            runtime.cudaGraphDestroy(graph)

    def _enqueue(self, context: Any, size: int) -> None:
        kinds = runtime.cudaMemcpyKind
        images, *outputs = self._tensors
        pointer, pinned = self._on_gpu[images.name], self._pinned[images.name].ctypes.data
        checked(
            runtime.cudaMemcpyAsync(pointer, pinned, bytes_of(images, size), kinds.cudaMemcpyHostToDevice, self._stream)
        )
        if not context.execute_async_v3(int(self._stream)):
            raise CudaError("TensorRT could not put the network on the GPU; the log has its reason")
        for tensor in outputs:
            pointer, pinned = self._on_gpu[tensor.name], self._pinned[tensor.name].ctypes.data
            checked(
                runtime.cudaMemcpyAsync(
                    pinned, pointer, bytes_of(tensor, size), kinds.cudaMemcpyDeviceToHost, self._stream
                )
            )

    def _own(self, created: tuple[Any, ...], free: Callable[[Any], object]) -> Any:
        handle = checked(created)
        self._frees.append(lambda: free(handle))
        return handle

    def _on_device(self, num_bytes: int) -> int:
        return int(self._own(runtime.cudaMalloc(num_bytes), runtime.cudaFree))

    def _on_host(self, tensor: TensorSpec, batch: int) -> NDArray[Any]:
        size = bytes_of(tensor, batch)
        address = int(self._own(runtime.cudaHostAlloc(size, runtime.cudaHostAllocDefault), runtime.cudaFreeHost))
        memory = (ctypes.c_uint8 * size).from_address(address)
        return np.frombuffer(memoryview(memory), tensor.dtype).reshape(batch, *tensor.shape)

    def close(self) -> None:
        """Free everything, the newest first."""
        self._contexts = []
        while self._frees:
            self._frees.pop()()
