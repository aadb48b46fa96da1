"""Opening the engine of a bundle."""

import logging
from importlib.util import find_spec
from pathlib import Path

from service.bundle import Bundle
from service.cores import num_cores
from service.engines.gpu import has_gpu
from service.engines.protocol import Engine, EngineError, EngineName, Precision

logger = logging.getLogger("singleshot")


def engine_names(name: EngineName) -> list[EngineName]:
    """The engines to try for `name`, the best first; the last one is the engine that must open.

    auto is TensorRT, then ONNX Runtime's CUDA provider, both only if there is a GPU; then OpenVINO if it is installed,
    else ONNX Runtime, both on the CPU.
    """
    if name != "auto":
        return [name]
    on_gpu: list[EngineName] = ["tensorrt", "onnx-cuda"] if has_gpu() else []
    return [*on_gpu, "openvino" if find_spec("openvino") else "onnx"]


def open_engine(
    bundle: Bundle,
    name: EngineName = "auto",
    *,
    precision: Precision = "auto",
    num_threads: int | None = None,
    num_streams: int | None = 1,
    max_batch: int = 8,
    cache: Path | None = None,
) -> Engine:
    """Open the engine of `bundle`; raises EngineError. auto is the first of `engine_names` that opens.

    `precision` is the precision of the network's layers; auto is the fastest one of the engine on this machine.
    Coordinates are always fp32. `cache` is a directory with TensorRT engines that were built for this machine.

    num_streams is the number of calls that may run at once; an engine on a GPU may take fewer. None is the best number
    for the device: on a CPU one per core, each with one thread; on a GPU two with TensorRT and one with ONNX Runtime.
    num_threads is the number of threads that each call may use. None is an even share of the cores. An engine on a GPU
    computes at most `max_batch` images at once.
    """
    *better, last = engine_names(name)
    for other in better:
        try:
            return open_engine(
                bundle, other, precision=precision, num_streams=num_streams, max_batch=max_batch, cache=cache
            )
        except EngineError as error:
            logger.info("%s is not used: %s", other, error)
    if precision == "int8" and last != "openvino":
        raise EngineError("only OpenVINO computes in int8; choose `--engine openvino`, or `--precision auto`")
    if last == "tensorrt":
        from service.engines.tensorrt.choose import open_tensorrt

        return open_tensorrt(bundle, precision=precision, num_streams=num_streams, max_batch=max_batch, cache=cache)
    if last == "onnx-cuda":
        require("onnxruntime", "pip install '.[gpu]'")
        from service.engines.onnx_cuda import OnnxCudaEngine

        return OnnxCudaEngine(bundle, precision=precision, max_batch=max_batch)
    if precision == "fp16":
        raise EngineError("only engines on a GPU compute in fp16; choose `--precision auto` to serve on the CPU")
    if num_streams is None:
        num_streams, num_threads = num_cores(), num_threads or 1
    elif num_threads is None and num_streams > 1:
        num_threads = max(1, num_cores() // num_streams)
    if last == "onnx":
        require("onnxruntime", "pip install '.[cpu]'", "--engine openvino")
        if precision == "bf16":
            raise EngineError(
                "ONNX Runtime computes in fp32 alone; choose `--precision fp32`, or `--engine openvino` for bf16"
            )
        from service.engines.onnx_runtime import OnnxEngine

        return OnnxEngine(bundle, num_threads=num_threads, num_streams=num_streams)
    require("openvino", "pip install '.[cpu]'", "--engine onnx")
    from service.engines.openvino.engine import OpenvinoEngine

    return OpenvinoEngine(bundle, precision=precision, num_threads=num_threads, num_streams=num_streams)


def require(package: str, command: str, other: str = "--engine auto") -> None:
    """Raise EngineError with the `command` that installs `package`, unless it is installed."""
    if find_spec(package) is None:
        raise EngineError(f"{package} is not installed; install it with `{command}`, or choose `{other}`")
