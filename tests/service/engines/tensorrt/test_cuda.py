"""What is said about a machine's driver and GPU."""

from pathlib import Path

import pytest
from cuda.bindings import runtime

from service.engines.tensorrt import cuda
from service.engines.tensorrt.cuda import CudaError, NoGpuError, checked, gpu_target

OPEN_MODULE = """\
NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.86.10  Release Build  (dvs-builder@U16)
GCC version:  gcc version 12.2.0 (Debian 12.2.0-14)
"""
CLOSED_MODULE = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54  Tue Mar  5 22:23:56 UTC 2024\n"


@pytest.mark.parametrize(
    ("content", "version"), [(OPEN_MODULE, r"570\.86\.10"), (CLOSED_MODULE, r"550\.54"), ("?", "of an unknown version")]
)
@pytest.mark.parametrize("status", ["cudaErrorInsufficientDriver", "cudaErrorSystemDriverMismatch"])
def test_a_driver_that_is_too_old_is_named_with_the_one_that_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, version: str, status: str
) -> None:
    driver = tmp_path / "version"
    driver.write_text(content)
    monkeypatch.setattr(cuda, "DRIVER", driver)
    message = rf"the NVIDIA driver here is {version}, and CUDA 13 needs 580 or later \({status}\); update the driver"
    with pytest.raises(CudaError, match=message) as raised:
        checked((getattr(runtime.cudaError_t, status),))
    assert not isinstance(raised.value, NoGpuError)


@pytest.mark.parametrize("status", ["cudaErrorInsufficientDriver", "cudaErrorNoDevice"])
def test_a_machine_without_a_driver_or_without_a_gpu_has_no_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: str
) -> None:
    monkeypatch.setattr(cuda, "DRIVER", tmp_path / "missing")
    monkeypatch.setattr(runtime, "cudaDeviceGetAttribute", lambda *_: (getattr(runtime.cudaError_t, status), None))
    with pytest.raises(NoGpuError, match=rf"there is no NVIDIA driver, or no GPU \({status}\)"):
        gpu_target()


def test_results_come_without_their_status() -> None:
    success = runtime.cudaError_t.cudaSuccess
    assert checked((success,)) is None
    assert checked((success, 0)) == 0
    assert checked((success, 1, 2)) == (1, 2)
    with pytest.raises(CudaError, match="a call of CUDA failed with cudaErrorMemoryAllocation"):
        checked((runtime.cudaError_t.cudaErrorMemoryAllocation, None))
