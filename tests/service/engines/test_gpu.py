"""Whether a GPU is there, by the driver's files."""

from pathlib import Path

import pytest

from service.engines.gpu import has_gpu


@pytest.mark.parametrize("file", ["dev/nvidia0", "dev/nvidia11", "dev/nvhost-gpu", "usr/lib/wsl/lib/libcuda.so.1"])
def test_a_device_file_shows_a_gpu(tmp_path: Path, file: str) -> None:
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).touch()
    assert has_gpu(tmp_path)


@pytest.mark.parametrize("file", ["dev/null", "dev/nvidiactl", "dev/nvidia-uvm", "proc/driver/nvidia/version"])
def test_a_driver_without_a_device_is_no_gpu(tmp_path: Path, file: str) -> None:
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).touch()
    assert not has_gpu(tmp_path)
