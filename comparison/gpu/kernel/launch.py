"""The offset convolution's kernel: on the GPU, or its source compiled for the host."""

import ctypes
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import torch

from comparison.gpu.kernel.cases import BOXES, Case, Output
from comparison.gpu.step import SkippedError, require_module
from service.engines.tensorrt.cuda import gpu_target
from service.engines.tensorrt.kernel import SOURCE, Shape, compile_kernel, launch, load_kernel

Kernel = Callable[[Case, Output], None]


def require_cuda() -> None:
    """Raise SkippedError unless torch can use the GPU."""
    if not torch.cuda.is_available():
        raise SkippedError(f"torch {torch.__version__} cannot use the GPU; install a build of it for CUDA")


def gpu_kernel() -> Kernel:
    """The kernel for this GPU; it runs on torch's current stream and does not wait. Raises CudaError."""
    require_cuda()
    require_module("cuda", "cuda-bindings")
    cubin = compile_kernel(gpu_target())

    def run(case: Case, output: Output) -> None:
        tensors = case.z, case.geometry, case.bias, output.y
        kernel = load_kernel(cubin, case.z.dtype == torch.float16)
        stream = torch.cuda.current_stream().cuda_stream
        launch(kernel, shape_of(case), len(case.z), [tensor.data_ptr() for tensor in tensors], stream)

    return run


def host_kernel(folder: Path) -> Kernel:
    """The kernel's source as a library of the host, built in `folder`; raises SkippedError without a compiler."""
    compiler = shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        raise SkippedError("needs a C++ compiler")
    path = folder / "offset_conv.so"
    options = ["-x", "c++", "-std=c++17", "-O2", "-Wno-unknown-pragmas", "-shared", "-fPIC"]
    subprocess.run([compiler, *options, str(SOURCE), "-o", str(path)], check=True)
    library = ctypes.CDLL(str(path))

    def run(case: Case, output: Output) -> None:
        function = library.offset_conv_half if case.z.dtype == torch.float16 else library.offset_conv_float
        tensors = case.z, case.geometry, case.bias, output.y
        function(shape_of(case), len(case.z), *(ctypes.c_void_p(tensor.data_ptr()) for tensor in tensors))

    return run


def shape_of(case: Case) -> Shape:
    """The struct that the kernel gets."""
    return Shape(BOXES, len(case.bias) // BOXES, *case.z.shape[2:])
