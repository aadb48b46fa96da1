"""A lane of the TensorRT engine: a CUDA stream, its memory, and a CUDA graph for each batch size."""

import ctypes
import logging
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.engines.protocol import DeviceLostError, batch_sizes_up_to
from service.engines.tensor_contract import IMAGES, TensorSpec
from service.engines.tensorrt.cuda import CudaError, checked, get_cuda_native_handle, runtime, use_first_gpu

logger = logging.getLogger("singleshot")

Outputs = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int32]]


class Lane:
    """Runs one batch at a time, of the sizes that `batch_sizes_up_to(max_batch)` gives.

    `trt` is the module `tensorrt` or `tensorrt_rtx`; raises CudaError if TensorRT or CUDA refuses a call, and
    DeviceLostError if the GPU answers no more.
    """

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
            self._scratch = self._on_device(max(scratch_bytes, 1)), scratch_bytes
            self._contexts: dict[int, Any] = {}  # by batch size; a graph needs the context that it was captured from
            self._graphs: dict[int, Any] = {}
            for size in batch_sizes_up_to(max_batch):
                context = self._contexts[size] = self._context(trt, engine, size)
                self._enqueue(context, size)  # the first run loads and allocates, which must not be captured
                checked(runtime.cudaStreamSynchronize(self._stream))
                if self._is_capturable(context):
                    self._graphs[size] = self._capture(context, size)
                else:
                    logger.warning("TensorRT cannot put batches of %d into a CUDA graph: they run slower", size)
        except BaseException as error:
            try:
                if isinstance(error, CudaError):
                    self._check_device(error)
            finally:
                self.close()
            raise

    def run(self, images: NDArray[np.uint8]) -> Outputs:
        """images uint8 (B, H, W, 3), B at most the engine's largest batch -> boxes, scores, labels.

        Raises CudaError, and DeviceLostError if the GPU answers no later call either.
        """
        count = len(images)
        self._pinned[IMAGES][:count] = images
        size = min(size for size in self._contexts if size >= count)  # rows beyond `count` are computed for nothing
        try:
            use_first_gpu()
            if size in self._graphs:
                checked(runtime.cudaGraphLaunch(self._graphs[size], self._stream))
            else:
                self._enqueue(self._contexts[size], size)
            checked(runtime.cudaStreamSynchronize(self._stream))
        except CudaError as error:
            self._check_device(error)
            raise
        boxes, scores, labels = (self._pinned[tensor.name][:count].copy() for tensor in self._tensors[1:])
        return boxes, scores, labels

    def close(self) -> None:
        """Free everything, the newest first."""
        self._contexts = {}
        while self._frees:
            self._frees.pop()()

    def _context(self, trt: Any, engine: Any, size: int) -> Any:
        """An execution context for batches of `size` images."""
        context = require(create_context(trt, engine), "to create an execution context")
        # one block for all contexts: a lane runs one batch at a time; a refusal shows in execute_async_v3
        context.set_device_memory(*self._scratch)
        if engine.num_optimization_profiles > 1:
            profile = profile_for(engine, size)
            stream = get_cuda_native_handle(self._stream)
            require(context.set_optimization_profile_async(profile, stream), f"profile {profile}")
        shape = (size, *self._tensors[0].shape)
        require(context.set_input_shape(IMAGES, shape), f"images of shape {shape}")
        for name, pointer in self._on_gpu.items():
            require(context.set_tensor_address(name, pointer), f"the memory for {name}")
        return context

    def _check_device(self, error: CudaError) -> None:
        """Raise DeviceLostError from the error of a call if the next call fails too."""
        if not hasattr(self, "_stream"):
            return
        (status,) = runtime.cudaStreamSynchronize(self._stream)
        if status.value:
            raise DeviceLostError(
                f"the GPU answers no more ({status.name}); restart the server; if it happens again, "
                "look for NVIDIA's Xid errors in `dmesg`"
            ) from error

    def _is_capturable(self, context: Any) -> bool:
        """TensorRT for RTX may allocate memory or compile kernels in a run, and says so; TensorRT does not."""
        if not hasattr(context, "is_stream_capturable"):
            return True
        return bool(context.is_stream_capturable(get_cuda_native_handle(self._stream)))

    def _capture(self, context: Any, size: int) -> Any:
        """The graph of one batch: copy images to the GPU, run the network, copy the outputs back."""
        mode = runtime.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        checked(runtime.cudaStreamBeginCapture(self._stream, mode))
        try:
            self._enqueue(context, size)
        except BaseException:
            _, graph = runtime.cudaStreamEndCapture(self._stream)
            runtime.cudaGraphDestroy(graph)
            raise
        graph = checked(runtime.cudaStreamEndCapture(self._stream))
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
        require(context.execute_async_v3(get_cuda_native_handle(self._stream)), "to put the network on the GPU")
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


def bytes_of(tensor: TensorSpec, batch: int) -> int:
    return batch * math.prod(tensor.shape) * np.dtype(tensor.dtype).itemsize


def require(result: Any, what: str) -> Any:
    """`result`; raises CudaError if TensorRT answered None or False."""
    if result is None or result is False:
        raise CudaError(f"TensorRT refused {what}; the log has its reason")
    return result


def create_context(trt: Any, engine: Any) -> Any:
    """A new execution context without memory of its own; None if TensorRT refuses."""
    strategy = trt.ExecutionContextAllocationStrategy.USER_MANAGED
    specialization = getattr(trt, "DynamicShapesKernelSpecializationStrategy", None)
    if specialization is None:
        return engine.create_execution_context(strategy)
    # TensorRT for RTX compiles the kernels for a shape in the background; a graph would keep the slow ones before them
    config = require(engine.create_runtime_config(), "to create a runtime configuration")
    config.set_execution_context_allocation_strategy(strategy)
    config.dynamic_shapes_kernel_specialization_strategy = specialization.EAGER
    return engine.create_execution_context(config)


def profile_for(engine: Any, size: int) -> int:
    """The optimization profile with the fewest batch sizes beside `size`; raises CudaError if none has it."""
    fitting = []
    for index in range(engine.num_optimization_profiles):
        low, _, high = (shape[0] for shape in engine.get_tensor_profile_shape(IMAGES, index))
        if low <= size <= high:
            fitting.append((high - low, index))
    if not fitting:
        raise CudaError(f"the engine was built for other batch sizes than {size}")
    return min(fitting)[1]
