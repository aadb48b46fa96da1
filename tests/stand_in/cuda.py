"""CUDA's runtime and driver over host memory, with the names, arguments and results of cuda-bindings.

A stream is lazy: its work runs when it is synchronised, so a caller that does not wait reads poisoned or old memory.
Whatever CUDA leaves undefined, such as a copy beyond a block, raises MisuseError.
"""
# The names and the arguments are CUDA's:
# ruff: noqa: N802, ARG002

import ctypes
import itertools
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
from cuda.bindings import driver, runtime

from tests.stand_in.memory import Kind, Memory, MisuseError
from tests.stand_in.offset_conv import offset_conv

Work = Callable[[], None]
OK = runtime.cudaError_t.cudaSuccess
HAS_VALUE = {  # these calls return a value after the status
    *("cudaMalloc", "cudaHostAlloc", "cudaStreamCreateWithFlags", "cudaStreamEndCapture", "cudaGraphInstantiate"),
    *("cudaDeviceGetAttribute", "cudaGetDeviceCount", "cudaGetDevice", "cuLibraryLoadData", "cuLibraryGetKernel"),
}
KERNELS = {b"offset_conv_half": np.float16, b"offset_conv_float": np.float32}
MAX_THREADS = 128  # __launch_bounds__ of the kernels


class _Stream:
    """Work that waits, and the graph that is being captured, if there is one."""

    def __init__(self, device: int) -> None:
        self.device = device
        self.work: list[Work] = []
        self.captured: list[Work] | None = None
        self.capturing_thread = 0
        self.lock = threading.Lock()


class HostCuda:
    """`num_devices` GPUs of one compute capability. Its methods named `cuda...` and `cu...` are CUDA's."""

    def __init__(self, capability: tuple[int, int] = (8, 9), num_devices: int = 1) -> None:
        self.memory = Memory()
        self.calls: Counter[str] = Counter()
        self.copied_bytes = 0  # in both directions
        self._capability, self.num_devices = capability, num_devices
        self._numbers = itertools.count(1)
        self._streams: dict[int, _Stream] = {}
        self._graphs: dict[int, list[Work]] = {}
        self._executables: dict[int, list[Work]] = {}
        self._libraries: dict[int, bytes] = {}
        self._kernels: dict[int, Any] = {}
        self._failures: dict[str, tuple[Any, int]] = {}
        self._lost: Any = None
        self._thread = threading.local()

    # for tests

    def fail(self, name: str, status: Any, turn: int = 1) -> None:
        """The next call of `name`, or the one of that number from now on, returns `status`."""
        self._failures[name] = status, self.calls[name] + turn

    def lose(self, status: Any) -> None:
        """Every call from now on returns `status`, as after a fault of a kernel. None ends this."""
        self._lost = status

    def live(self) -> dict[str, int]:
        """How many things of each kind are not freed."""
        found = Counter(block.kind for block in self.memory.live.values())
        found.update(streams=len(self._streams), graphs=len(self._graphs) + len(self._executables))
        return {kind: count for kind, count in found.items() if count}

    def call(self, name: str) -> Callable[..., tuple[Any, ...]]:
        """The function `name` of CUDA."""

        def function(*arguments: Any) -> tuple[Any, ...]:
            self.calls[name] += 1
            status, turn = self._failures.get(name, (None, 0))
            status = self._lost or (status if turn == self.calls[name] else None)
            if status:
                return (status, None) if name in HAS_VALUE else (status,)
            value = getattr(self, name)(*arguments)
            return (OK, value) if name in HAS_VALUE else (OK,)

        return function

    # for the stand-in of TensorRT

    def enqueue(self, stream: Any, work: Work) -> None:
        """Put work on a stream, or into the graph that it captures."""
        found = self._stream(stream)
        if found.captured is not None:
            found.captured.append(work)
        else:
            found.work.append(work)

    def is_capturing(self, stream: Any) -> bool:
        return self._stream(stream).captured is not None

    # CUDA: devices

    def cudaSetDevice(self, device: int) -> None:
        if device >= self.num_devices:
            raise MisuseError(f"there is no device {device}")
        self._thread.device = device

    def cudaGetDevice(self) -> int:
        return getattr(self._thread, "device", 0)

    def cudaGetDeviceCount(self) -> int:
        return self.num_devices

    def cudaSetDeviceFlags(self, flags: int) -> None:
        pass

    def cudaDeviceGetAttribute(self, attribute: Any, device: int) -> int:
        kinds = runtime.cudaDeviceAttr
        names = kinds.cudaDevAttrComputeCapabilityMajor, kinds.cudaDevAttrComputeCapabilityMinor
        return self._capability[names.index(attribute)]

    # CUDA: memory

    def cudaMalloc(self, num_bytes: int) -> int:
        self._refuse_while_capturing("cudaMalloc")
        return self.memory.allocate("device", num_bytes)

    def cudaHostAlloc(self, num_bytes: int, flags: int) -> int:
        self._refuse_while_capturing("cudaHostAlloc")
        return self.memory.allocate("host", num_bytes)

    def cudaFree(self, address: int) -> None:
        self.memory.free("device", address)

    def cudaFreeHost(self, address: int) -> None:
        self.memory.free("host", address)

    def cudaMemcpyAsync(self, to: int, source: int, num_bytes: int, kind: Any, stream: Any) -> None:
        kinds = runtime.cudaMemcpyKind
        ends: dict[Any, tuple[Kind, Kind]] = {
            kinds.cudaMemcpyHostToDevice: ("host", "device"),
            kinds.cudaMemcpyDeviceToHost: ("device", "host"),
        }
        source_kind, to_kind = ends[kind]

        def copy() -> None:
            target = self.memory.array(to_kind, to, (num_bytes,), np.uint8)
            target[:] = self.memory.array(source_kind, source, (num_bytes,), np.uint8)
            self.copied_bytes += num_bytes

        self.enqueue(stream, copy)

    # CUDA: streams and graphs

    def cudaStreamCreateWithFlags(self, flags: int) -> Any:
        return self._keep(self._streams, _Stream(self.cudaGetDevice()), runtime.cudaStream_t)

    def cudaStreamDestroy(self, stream: Any) -> None:
        found = self._stream(stream)
        if found.captured is not None:
            raise MisuseError("a stream is destroyed while it captures a graph")
        del self._streams[int(stream)]

    def cudaStreamSynchronize(self, stream: Any) -> None:
        found = self._stream(stream)
        if found.captured is not None:
            raise MisuseError("a stream is synchronised while it captures a graph")
        with found.lock:
            while found.work:
                found.work.pop(0)()

    def cudaStreamBeginCapture(self, stream: Any, mode: Any) -> None:
        found = self._stream(stream)
        if mode != runtime.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal:
            raise MisuseError("this capture forbids calls of other threads, which other engines make")
        if found.work:
            raise MisuseError("a capture begins while earlier work waits")
        found.captured, found.capturing_thread = [], threading.get_ident()

    def cudaStreamEndCapture(self, stream: Any) -> Any:
        found = self._stream(stream)
        captured, found.captured = found.captured, None
        return self._keep(self._graphs, captured, runtime.cudaGraph_t)

    def cudaGraphInstantiate(self, graph: Any, flags: int) -> Any:
        return self._keep(self._executables, list(self._graphs[int(graph)]), runtime.cudaGraphExec_t)

    def cudaGraphDestroy(self, graph: Any) -> None:
        del self._graphs[int(graph)]

    def cudaGraphExecDestroy(self, executable: Any) -> None:
        del self._executables[int(executable)]

    def cudaGraphLaunch(self, executable: Any, stream: Any) -> None:
        if self._stream(stream).device != self.cudaGetDevice():
            raise MisuseError("a graph is launched by a thread whose current device is another one")

        def check() -> None:
            if int(executable) not in self._executables:
                raise MisuseError("a graph is destroyed before it has run")

        for work in (check, *self._executables[int(executable)]):
            self.enqueue(stream, work)

    # CUDA: kernels

    def cuLibraryLoadData(self, code: bytes, *options: Any) -> Any:
        self._refuse_while_capturing("cuLibraryLoadData")
        if not code.startswith(b"\x7fELF"):
            raise MisuseError("this is no machine code")
        return self._keep(self._libraries, code, driver.CUlibrary)

    def cuLibraryGetKernel(self, library: Any, name: bytes) -> Any:
        if name not in self._libraries[int(library)]:
            raise MisuseError(f"the library has no kernel {name!r}")
        return self._keep(self._kernels, KERNELS[name], driver.CUkernel)

    def cuLaunchKernel(
        self,
        kernel: Any,
        grid_x: int,
        grid_y: int,
        num_images: int,
        threads: int,
        *rest: Any,  # two more sizes of a block, shared memory, stream, addresses of the arguments, options
    ) -> None:
        *_, stream, arguments, _ = rest
        kind = self._kernels[int(kernel)]
        addresses = (ctypes.c_uint64 * 5).from_address(arguments)
        boxes, filters, height, width = (ctypes.c_int * 4).from_address(addresses[0])
        pointers = [ctypes.c_uint64.from_address(address).value for address in addresses[1:]]
        if threads > MAX_THREADS or grid_x * threads < boxes * height * width or grid_y > filters:
            raise MisuseError(f"a grid of {grid_x} x {grid_y} blocks of {threads} threads does not fit the kernel")
        shapes = (
            ((num_images, boxes * 9 * filters, height, width), kind),
            ((num_images, boxes * 4, height, width), np.float32),
            ((boxes * filters,), kind),
            ((num_images, boxes * filters, height, width), np.float32),
        )

        def run() -> None:
            arrays = [self.memory.array("device", at, *shape) for at, shape in zip(pointers, shapes, strict=True)]
            z, geometry, bias, y = arrays
            y[:] = offset_conv(z, geometry, bias, boxes)

        self.enqueue(stream, run)

    # what the calls share

    def _keep(self, things: dict[int, Any], thing: Any, handle: Any) -> Any:
        number = next(self._numbers)
        things[number] = thing
        return handle(number)

    def _stream(self, stream: Any) -> _Stream:
        if int(stream) not in self._streams:
            raise MisuseError("the stream is destroyed, or was never created")
        return self._streams[int(stream)]

    def _refuse_while_capturing(self, name: str) -> None:
        for stream in list(self._streams.values()):
            if stream.captured is not None and stream.capturing_thread == threading.get_ident():
                raise MisuseError(f"{name} is called while this thread captures a graph")


installed: HostCuda | None = None  # set by install.py


def device() -> HostCuda:
    """The CUDA that is in place."""
    if installed is None:
        raise MisuseError("tests/stand_in/install.py was not used")
    return installed
