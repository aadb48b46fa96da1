"""Whether this process can see an NVIDIA GPU, found without any of NVIDIA's libraries."""

from pathlib import Path

# a GPU of a machine or a container · of a Jetson · of Windows' subsystem for Linux
DEVICE_FILES = ("dev/nvidia[0-9]*", "dev/nvhost-gpu", "usr/lib/wsl/lib/libcuda.so.1")


def has_gpu(root: Path = Path("/")) -> bool:
    """Whether the driver's device files are there. A container has them only if it was given a GPU."""
    return any(next(root.glob(pattern), None) is not None for pattern in DEVICE_FILES)
