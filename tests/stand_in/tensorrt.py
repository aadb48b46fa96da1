"""The module `tensorrt` for a machine without one: the part of its API that the server and the exporter use.

It checks what TensorRT checks: the profile, the shape inside it, the address of each tensor, the device memory, the
registered plugin. It computes with ONNX Runtime on the CPU. Tests put the name of a call into `refused`, which then
reports a failure. The process must have its CUDA from cuda.py.
"""

from tests.stand_in.tensorrt_builder import *  # noqa: F403
from tests.stand_in.tensorrt_engine import *  # noqa: F403
from tests.stand_in.tensorrt_types import *  # noqa: F403

__version__ = "10.13.0.stand-in"
