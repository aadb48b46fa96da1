"""The machine that is measured: its GPU, its processor and the versions of the packages that matter."""

import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from threading import Timer

from service.cores import CPU_INFO, num_cores
from service.engines.tensorrt.cuda import CudaError, gpu_target

PACKAGES = (
    "torch",
    "torchvision",
    "onnxruntime-gpu",
    "onnxruntime",
    "tensorrt",
    "tensorrt-rtx",
    "openvino",
    "cuda-bindings",
    "nvidia-cuda-nvrtc",
    "numpy",
)
QUERY = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]


def find_gpu() -> str | None:
    """The GPU in words, such as "NVIDIA H200, driver 580.159, 143771 MiB"; None if there is none."""
    lines = nvidia_smi(QUERY)
    if lines:
        name, driver, memory = (part.strip() for part in lines[0].split(","))
        number = f"{len(lines)} × " if len(lines) > 1 else ""
        return f"{number}{name}, driver {driver}, {memory}"
    try:
        return f"NVIDIA GPU of architecture {gpu_target()}"  # a container may have the GPU without nvidia-smi
    except CudaError:
        return None


class GpuLoad:
    """Asks nvidia-smi once, `delay_seconds` after the start of the block, how busy the first GPU is.

    `busy_percent` is the share of the last second or so in which it computed; None if nvidia-smi does not say.
    """

    def __init__(self, delay_seconds: float) -> None:
        self.busy_percent: float | None = None
        self._timer = Timer(delay_seconds, self._ask)

    def __enter__(self) -> "GpuLoad":
        self._timer.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._timer.cancel()
        self._timer.join()

    def _ask(self) -> None:
        lines = nvidia_smi(["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"])
        if lines and lines[0].strip().isdigit():
            self.busy_percent = float(lines[0])


def nvidia_smi(command: list[str]) -> list[str]:
    """The lines of its answer; none if it is missing or fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return [line for line in done.stdout.splitlines() if line.strip()] if done.returncode == 0 else []


def describe_machine(gpu: str | None) -> str:
    """One sentence for the head of the report."""
    found = []
    for package in PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return f"{gpu or 'No GPU'}; {cpu_name()}, {num_cores()} cores; {', '.join(found)}."


def cpu_name(cpu_info: Path = CPU_INFO) -> str:
    """The processor's name as the kernel gives it."""
    try:
        lines = cpu_info.read_text().splitlines()
    except OSError:
        lines = []
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown processor"
    )
