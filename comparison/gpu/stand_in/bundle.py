"""A copy of a bundle with a TensorRT engine for a stand-in of TensorRT, which is put in place in this process."""

import shutil
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from comparison.gpu.step import SkippedError
from export.engine_builder import Job, build
from export.to_engine import Precision, network_of
from service.bundle import Bundle, EngineFile, add_engine, read_bundle
from service.engines.tensorrt.cuda import checked, gpu_target, runtime
from service.engines.tensorrt.kernel import compile_kernel


def stand_in_bundle(source: Path, folder: Path, precision: Precision, max_batch: int, *, is_on_gpu: bool) -> Bundle:
    """Copy the bundle to `folder` and add an engine for the stand-in: on the GPU, or on the host's memory."""
    shutil.copytree(source, folder, dirs_exist_ok=True)
    network, num_plugins = network_of(read_bundle(folder), precision)
    if not is_on_gpu:
        trt: Any = host_stand_in()
        target = gpu_target()
        path = folder.with_suffix(".network")
        path.write_bytes(network)
        network = build(trt, Job(str(path), "tensorrt", target, max_batch, num_plugins))
    else:
        target = gpu_target()
        trt = import_module("comparison.gpu.stand_in.tensorrt").install(compile_kernel(target))
    file = EngineFile(
        flavour="tensorrt",
        version=trt.__version__,
        compute_capability=target,
        precision=precision,
        max_batch=max_batch,
    )
    return add_engine(folder, f"{target}.engine", file, network)


def host_stand_in() -> Any:
    """The tests' stand-in for CUDA and TensorRT over the host's memory, in place; raises SkippedError without it."""
    try:
        installed = import_module("tests.stand_in.install")
    except ModuleNotFoundError as error:
        raise SkippedError(f"needs {error.name}") from error
    installed.install()
    return import_module("tests.stand_in.tensorrt")


def memory_in_use(*, is_on_gpu: bool) -> Callable[[], int]:
    """A function that counts what is allocated: bytes of the GPU without torch's, or things of the host's stand-in."""
    if not is_on_gpu:
        return lambda: sum(import_module("tests.stand_in.cuda").device().live().values())
    torch = import_module("torch")

    def in_use() -> int:
        free, total = checked(runtime.cudaMemGetInfo())
        return int(total - free - torch.cuda.memory_reserved())

    return in_use
