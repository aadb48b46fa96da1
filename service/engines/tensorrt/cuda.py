"""CUDA through `cuda-bindings`, an optional dependency (`pip install .[engine]`). Each failure becomes one sentence.

The bindings can be imported without a driver. Then each call fails, and the message is "there is no NVIDIA driver".
"""

import re
from pathlib import Path
from typing import Any

try:
    from cuda.bindings import driver, nvrtc, runtime
    from cuda.bindings.utils import get_cuda_native_handle
except ImportError:
    driver = nvrtc = runtime = get_cuda_native_handle = None

__all__ = [
    "CudaError",
    "NoGpuError",
    "checked",
    "driver",
    "get_cuda_native_handle",
    "gpu_target",
    "nvrtc",
    "require_bindings",
    "runtime",
    "use_first_gpu",
]

NO_GPU = ("cudaErrorInsufficientDriver", "cudaErrorNoDevice", "cudaErrorStubLibrary")
TOO_OLD = ("cudaErrorInsufficientDriver", "cudaErrorSystemDriverMismatch")
DRIVER = Path("/proc/driver/nvidia/version")  # exists if the driver is loaded
FIRST_DRIVER = "580"  # CUDA 13's; https://docs.nvidia.com/deploy/cuda-compatibility
GPU = 0  # a process uses the first GPU that it sees


class CudaError(Exception):
    """A CUDA call that failed; the message gives the status and, if known, the remedy."""


class NoGpuError(CudaError):
    """This machine has no NVIDIA GPU, or no driver is loaded."""


def checked(result: tuple[Any, ...]) -> Any:
    """The results of a cuda-bindings call, without the status: None, one value, or a tuple; raises CudaError."""
    status, *values = result
    if status.value:
        raise failure(status.name)
    return values[0] if len(values) == 1 else tuple(values) or None


def failure(status: str) -> CudaError:
    """The error for a status such as cudaErrorNoDevice."""
    version = driver_version()
    if status in TOO_OLD and version:
        needed = f"CUDA 13 needs {FIRST_DRIVER} or later ({status})"
        return CudaError(f"the NVIDIA driver here is {version}, and {needed}; update the driver")
    if status in (*NO_GPU, *TOO_OLD):
        return NoGpuError(f"there is no NVIDIA driver, or no GPU ({status}); `nvidia-smi` should list one")
    return CudaError(f"a call of CUDA failed with {status}")


def driver_version() -> str:
    """The version of the NVIDIA driver that is loaded, such as 550.54.15; empty if none is."""
    try:
        found = re.search(r"\d+\.\d+(\.\d+)?", DRIVER.read_text())
    except OSError:
        return ""
    return found[0] if found else "of an unknown version"


def require_bindings() -> None:
    """Raise CudaError if cuda-bindings is missing."""
    if driver is None:
        raise CudaError(
            "cuda-bindings is not installed; install it with `pip install '.[tensorrt]'`, or '.[engine]' without a GPU"
        )


def gpu_target() -> str:
    """The architecture of the first GPU, such as `sm_89`; raises NoGpuError if there is none, and CudaError."""
    require_bindings()
    attributes = runtime.cudaDeviceAttr
    major = checked(runtime.cudaDeviceGetAttribute(attributes.cudaDevAttrComputeCapabilityMajor, GPU))
    minor = checked(runtime.cudaDeviceGetAttribute(attributes.cudaDevAttrComputeCapabilityMinor, GPU))
    return f"sm_{major}{minor}"


def use_first_gpu() -> None:
    """Make it the calling thread's current device, which another library may have changed; raises CudaError."""
    checked(runtime.cudaSetDevice(GPU))
