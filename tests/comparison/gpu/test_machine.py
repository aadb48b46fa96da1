"""The GPU as nvidia-smi names it."""

import time
from pathlib import Path

import pytest

from comparison.gpu.machine import GpuLoad, cpu_name, describe_machine, find_gpu


def write_nvidia_smi(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    path = folder / "nvidia-smi"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


def test_the_gpu_is_named_with_its_driver_and_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_nvidia_smi(tmp_path, monkeypatch, 'echo "NVIDIA H200, 580.159, 143771 MiB"')
    assert find_gpu() == "NVIDIA H200, driver 580.159, 143771 MiB"
    assert describe_machine(find_gpu()).startswith("NVIDIA H200, driver 580.159, 143771 MiB; ")


def test_several_gpus_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_nvidia_smi(tmp_path, monkeypatch, 'echo "NVIDIA L4, 1, 2 MiB"; echo "NVIDIA L4, 1, 2 MiB"')
    assert find_gpu() == "2 × NVIDIA L4, driver 1, 2 MiB"


def test_the_load_of_the_gpu_is_read_during_the_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_nvidia_smi(tmp_path, monkeypatch, f"echo 16; : >{tmp_path}/asked")
    with GpuLoad(0.0) as load:
        give_up_at = time.monotonic() + 30
        while not (tmp_path / "asked").exists() and time.monotonic() < give_up_at:
            time.sleep(0.01)
    assert load.busy_percent == 16


def test_without_nvidia_smi_no_load_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with GpuLoad(0.0) as load:
        pass
    assert load.busy_percent is None


def test_the_processor_is_the_one_that_the_kernel_names(tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nmodel name\t: Fast Processor @ 2GHz\nmodel name\t: another\n")
    assert cpu_name(tmp_path / "cpuinfo") == "Fast Processor @ 2GHz"
    assert cpu_name(tmp_path / "nothing") == "unknown processor"
