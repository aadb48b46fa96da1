"""CUDA through `cuda-bindings`, an optional dependency (`pip install .[engine]`). Each failure becomes one sentence.

The bindings can be imported without a driver. Then each call fails, and the message is "there is no NVIDIA driver".
"""

from typing import Any

try:
    from cuda.bindings import driver, nvrtc, runtime
except ImportError:
    driver = nvrtc = runtime = None

__all__ = ["CudaError", "checked", "driver", "gpu_target", "nvrtc", "require_bindings", "runtime"]

NO_GPU = ("cudaErrorInsufficientDriver", "cudaErrorNoDevice", "cudaErrorStubLibrary", "cudaErrorSystemDriverMismatch")


class CudaError(Exception):
    """A CUDA call that failed; the message gives the status and, if known, the remedy."""


def checked(result: tuple[Any, ...]) -> Any:
    """The results of a cuda-bindings call, without the status: None, one value, or a tuple; raises CudaError."""
    status, *values = result
    if int(status):
        if status.name in NO_GPU:
            raise CudaError(f"there is no NVIDIA driver, or no GPU ({status.name}); `nvidia-smi` should list one")
        raise CudaError(f"a call of CUDA failed with {status.name}")
    return values[0] if len(values) == 1 else tuple(values) or None


def require_bindings() -> None:
    """Raise CudaError if cuda-bindings is missing."""
    if driver is None:
        raise CudaError("cuda-bindings is not installed; install it with `pip install .[engine]`")


def gpu_target() -> str:
    """The architecture of the first GPU, such as `sm_89`; raises CudaError if there is no GPU."""
    require_bindings()
    attributes = runtime.cudaDeviceAttr
    major = checked(runtime.cudaDeviceGetAttribute(attributes.cudaDevAttrComputeCapabilityMajor, 0))
    minor = checked(runtime.cudaDeviceGetAttribute(attributes.cudaDevAttrComputeCapabilityMinor, 0))
    return f"sm_{major}{minor}"
