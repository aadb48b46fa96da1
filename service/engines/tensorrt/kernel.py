"""offset_conv.cu for a GPU: NVRTC compiles it, the driver loads and launches it. No nvcc and no header is needed."""

import ctypes
import math
from functools import cache
from pathlib import Path

import numpy as np

from service.engines.tensorrt.cuda import (
    CudaError,
    checked,
    driver,
    get_cuda_native_handle,
    nvrtc,
    require_bindings,
)

SOURCE = Path(__file__).with_name("offset_conv.cu")
THREADS = 128  # of a block; the same as __launch_bounds__ in the source
# More filters share the cost of computing the positions; fewer give small maps enough threads to fill the GPU.
FILTERS_A_THREAD = 4


class Shape(ctypes.Structure):
    """The struct `Shape` of the source."""

    _fields_ = [(name, ctypes.c_int) for name in ("boxes", "filters", "height", "width")]


def compile_kernel(target: str) -> bytes:
    """Compile the kernels for an architecture such as sm_89 -> machine code (cubin); needs no GPU. Raises CudaError."""
    require_bindings()
    try:
        supported = [f"sm_{number}" for number in checked(nvrtc.nvrtcGetSupportedArchs())]
    except RuntimeError as error:  # the library itself is missing
        raise CudaError(f"NVRTC cannot be loaded ({error}); install it with `pip install .[engine]`") from error
    if target not in supported:
        raise CudaError(f"{target} is no architecture that NVRTC knows; choose one of {', '.join(supported)}")
    program = checked(nvrtc.nvrtcCreateProgram(SOURCE.read_bytes(), SOURCE.name.encode(), 0, [], []))
    try:
        options = [f"--gpu-architecture={target}".encode(), b"--std=c++17"]
        (status,) = nvrtc.nvrtcCompileProgram(program, len(options), options)
        if status.value:
            log = bytes(checked(nvrtc.nvrtcGetProgramLogSize(program)))
            checked(nvrtc.nvrtcGetProgramLog(program, log))
            raise CudaError(f"{SOURCE.name} does not compile for {target}: {log.decode().strip()}")
        cubin = bytes(checked(nvrtc.nvrtcGetCUBINSize(program)))
        checked(nvrtc.nvrtcGetCUBIN(program, cubin))
        return cubin
    finally:
        nvrtc.nvrtcDestroyProgram(program)


@cache
def load_kernel(cubin: bytes, is_half: bool) -> int:
    """Load the kernel for maps of half or float precision, once for all layers and contexts; raises CudaError."""
    library = checked(driver.cuLibraryLoadData(cubin, [], [], 0, [], [], 0))
    kernel = checked(driver.cuLibraryGetKernel(library, b"offset_conv_half" if is_half else b"offset_conv_float"))
    return int(get_cuda_native_handle(kernel))


def launch(kernel: int, shape: Shape, num_images: int, pointers: list[int], stream: int) -> None:
    """Put the kernel on a stream; neither allocates GPU memory nor waits.

    `pointers` are z, geometry, bias and y on the GPU.
    """
    places = shape.boxes * shape.height * shape.width
    grid = math.ceil(places / THREADS), math.ceil(shape.filters / FILTERS_A_THREAD), num_images
    arguments = [shape, *(ctypes.c_void_p(pointer) for pointer in pointers)]
    addresses = np.array([ctypes.addressof(argument) for argument in arguments], np.uint64)
    checked(driver.cuLaunchKernel(driver.CUfunction(kernel), *grid, THREADS, 1, 1, 0, stream, addresses.ctypes.data, 0))
