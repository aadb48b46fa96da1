"""Opening the engine of a bundle."""

from importlib.util import find_spec
from typing import Literal

from service.bundle import Bundle
from service.cores import num_cores
from service.engines.protocol import Engine, EngineError, EngineName, Precision


def open_engine(
    bundle: Bundle,
    name: EngineName = "auto",
    *,
    precision: Precision = "auto",
    num_threads: int | None = None,
    num_streams: int | None = 1,
) -> Engine:
    """Open the engine of `bundle`; raises EngineError.

    auto is TensorRT if the bundle has an engine file for this machine's GPU, else OpenVINO if it is installed, else
    ONNX Runtime, both on the CPU.

    `precision` is the precision of the network's layers; auto is the fastest one on this machine. Coordinates are
    always fp32.

    num_streams is the number of calls that may run at once. None is the best number for the device: on a CPU one per
    core, each with one thread; on a GPU two with TensorRT and one with ONNX Runtime. num_threads is the number of
    threads that each call may use. None is an even share of the cores.
    """
    if name == "tensorrt":
        from service.engines.tensorrt.choose import open_tensorrt

        return open_tensorrt(bundle, precision=precision, num_streams=num_streams)
    if name == "auto" and bundle.manifest.engines:
        from service.engines.tensorrt.choose import open_tensorrt_if_it_fits

        engine = open_tensorrt_if_it_fits(bundle, precision=precision, num_streams=num_streams)
        if engine is not None:
            return engine
    if name == "auto":
        name = "openvino" if find_spec("openvino") else "onnx"
    if name == "onnx-cuda":
        num_streams, num_threads = num_streams or 1, num_threads or 1
    elif num_streams is None:
        num_streams, num_threads = num_cores(), num_threads or 1
    elif num_threads is None and num_streams > 1:
        num_threads = max(1, num_cores() // num_streams)
    if name in ("onnx", "onnx-cuda"):
        if find_spec("onnxruntime") is None:
            raise EngineError("ONNX Runtime is not installed; `pip install onnxruntime`, or choose `--engine openvino`")
        if precision == "bf16":
            raise EngineError(
                "ONNX Runtime computes in fp32 alone; choose `--precision fp32`, or `--engine openvino` for bf16"
            )
        from service.engines.onnx_runtime import OnnxEngine

        device: Literal["cpu", "cuda"] = "cuda" if name == "onnx-cuda" else "cpu"
        return OnnxEngine(bundle, device=device, num_threads=num_threads, num_streams=num_streams)
    if find_spec("openvino") is None:
        raise EngineError("OpenVINO is not installed; install it with `pip install .[cpu]` or choose `--engine onnx`")
    from service.engines.openvino.engine import OpenvinoEngine

    return OpenvinoEngine(bundle, precision=precision, num_threads=num_threads, num_streams=num_streams)
