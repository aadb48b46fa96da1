"""A stand-in for TensorRT on a GPU: its Python API, as far as service/engines/tensorrt/ uses it, over torch.

Its "engine" is the ONNX file that TensorRT would be built from. Streams, pinned memory, CUDA graphs, threads, the
plugin's class and its kernel are the real ones; only the other nodes are torch's.
"""

import sys
from contextlib import AbstractContextManager
from enum import Enum
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
import onnx
import torch
from onnx import TensorProto
from torch import Tensor

from comparison.gpu.stand_in.onnx_torch import OnnxTorch

VERSION = "10.13.0.stand-in"
DEVICE = "cuda"
NUM_WARM_UPS = 3  # before a capture: torch's allocator must not ask CUDA for memory during it


class DataType(Enum):
    FLOAT, HALF, UINT8, INT32 = range(4)


class TensorFormat(Enum):
    LINEAR = 0


class TensorIOMode(Enum):
    INPUT, OUTPUT = range(2)


class PluginFieldType(Enum):
    INT32, INT8 = range(2)


class ExecutionContextAllocationStrategy(Enum):
    STATIC, USER_MANAGED = range(2)


NUMPY_TYPES: dict[DataType, Any] = {
    DataType.FLOAT: np.float32,
    DataType.HALF: np.float16,
    DataType.UINT8: np.uint8,
    DataType.INT32: np.int32,
}
TORCH_TYPES = {torch.float32: DataType.FLOAT, torch.float16: DataType.HALF}
ONNX_TYPES = {
    TensorProto.FLOAT: DataType.FLOAT,
    TensorProto.FLOAT16: DataType.HALF,
    TensorProto.UINT8: DataType.UINT8,
    TensorProto.INT32: DataType.INT32,
}


class PluginField:
    def __init__(self, name: str, data: Any, kind: PluginFieldType) -> None:
        self.name, self.data, self.type = name, data, kind


class PluginFieldCollection(list[PluginField]):
    pass


class Logger:
    ERROR = 0

    def __init__(self, severity: int) -> None:
        self.severity = severity


class Registry:
    """The plugins' creators by name, and the machine code that a real engine would hold."""

    creators: ClassVar[dict[str, Any]] = {}
    cubin = b""

    def register_creator(self, creator: Any, namespace: str) -> bool:  # noqa: ARG002
        self.creators[creator.name] = creator
        return True


class _TensorDescription:
    """An input of a plugin."""

    def __init__(self, tensor: Tensor) -> None:
        self.dims, self.type = tuple(tensor.shape), TORCH_TYPES[tensor.dtype]


class ExecutionContext:
    """One run of the network at a time, for one batch size."""

    def __init__(self, engine: "CudaEngine") -> None:
        self._engine = engine
        self._plugins = [plugin.attach_to_context(None) for plugin in engine.plugins]
        self._addresses: dict[str, int] = {}
        self._views: dict[str, Tensor] = {}
        self._shape: tuple[int, ...] = ()
        self._is_warm = False

    def set_device_memory(self, address: int, num_bytes: int) -> None:
        """The scratch memory, which torch does not need."""

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:  # noqa: ARG002
        self._shape, self._is_warm = shape, False
        self._views.clear()
        return True

    def set_tensor_address(self, name: str, address: int) -> bool:
        self._addresses[name] = address
        return True

    def execute_async_v3(self, stream: int) -> bool:
        """Run the network on `stream`."""
        with torch.inference_mode(), on_stream(stream):
            for _ in range(1 if self._is_warm else NUM_WARM_UPS):
                self._run(stream)
        self._is_warm = True
        return True

    def _run(self, stream: int) -> None:
        plugins = iter(self._plugins)  # in the order of their nodes

        def offset_conv(z: Tensor, geometry: Tensor, bias: Tensor, boxes: int) -> Tensor:  # noqa: ARG001
            tensors = [tensor.contiguous() for tensor in (z, geometry, bias)]
            y = z.new_full((len(z), len(bias), *z.shape[2:]), torch.nan, dtype=torch.float32)
            inputs = [_TensorDescription(tensor) for tensor in tensors]
            pointers = [tensor.data_ptr() for tensor in tensors]
            next(plugins).enqueue(inputs, [], pointers, [y.data_ptr()], 0, stream)
            return y

        found = self._engine.network(self._view("images", self._shape), offset_conv)
        for name, value in zip(self._engine.network.outputs, found, strict=True):
            self._view(name, tuple(value.shape)).copy_(value)

    def _view(self, name: str, shape: tuple[int, ...]) -> Tensor:
        if name not in self._views:
            self._views[name] = memory_at(self._addresses[name], shape, self._engine.get_tensor_dtype(name))
        return self._views[name]


class CudaEngine:
    """The network of an ONNX file without functions."""

    device_memory_size_v2 = 1 << 20
    num_optimization_profiles = 1  # for all batch sizes

    def __init__(self, content: bytes) -> None:
        model = onnx.load_from_string(content)
        self.network = OnnxTorch(model, DEVICE)
        self._inputs = [value.name for value in model.graph.input]
        self._tensors: dict[str, Any] = {
            value.name: value.type.tensor_type for value in (*model.graph.input, *model.graph.output)
        }
        self.num_io_tensors = len(self._tensors)
        self.plugins = []
        for node in model.graph.node:
            if node.op_type in Registry.creators:
                boxes, cubin = np.array([node.attribute[0].i], np.int32), np.frombuffer(Registry.cubin, np.int8)
                fields = PluginFieldCollection([PluginField("boxes", boxes, PluginFieldType.INT32)])
                fields.append(PluginField("cubin", cubin, PluginFieldType.INT8))
                self.plugins.append(Registry.creators[node.op_type].create_plugin(node.name, fields, None))

    def get_tensor_name(self, index: int) -> str:
        return [*self._tensors][index]

    def get_tensor_mode(self, name: str) -> TensorIOMode:
        return TensorIOMode.INPUT if name in self._inputs else TensorIOMode.OUTPUT

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        lengths = self._tensors[name].shape.dim
        return tuple(length.dim_value if length.HasField("dim_value") else -1 for length in lengths)

    def get_tensor_dtype(self, name: str) -> DataType:
        return ONNX_TYPES[self._tensors[name].elem_type]

    def create_execution_context(self, strategy: ExecutionContextAllocationStrategy) -> ExecutionContext:  # noqa: ARG002
        return ExecutionContext(self)


class Runtime:
    def __init__(self, logger: Logger) -> None:
        self.logger = logger

    def deserialize_cuda_engine(self, content: bytes) -> CudaEngine:
        return CudaEngine(content)


class GpuMemory:
    """Memory of the GPU in the form that torch reads, https://numba.readthedocs.io/en/stable/cuda/cuda_array_interface.html."""

    def __init__(self, address: int, shape: tuple[int, ...], kind: DataType) -> None:
        self.__cuda_array_interface__ = {
            "shape": shape,
            "typestr": np.dtype(NUMPY_TYPES[kind]).str,
            "data": (address, False),
            "version": 3,
        }


def memory_at(address: int, shape: tuple[int, ...], kind: DataType) -> Tensor:
    """A tensor over memory of the GPU that CUDA allocated."""
    return torch.as_tensor(GpuMemory(address, shape, kind), device="cuda")


def on_stream(stream: int) -> AbstractContextManager[Any]:
    """Torch's work goes to this stream of CUDA."""
    return torch.cuda.stream(torch.cuda.ExternalStream(stream))  # type: ignore[no-untyped-call]


def install(cubin: bytes) -> Any:
    """Put the stand-in in the place of `tensorrt` in this process -> the module; `cubin` is the plugin's kernel."""
    Registry.cubin = cubin
    module: Any = ModuleType("tensorrt")
    module.__version__, module.__spec__ = VERSION, ModuleSpec("tensorrt", None)
    for name in ("IPluginV3", "IPluginV3OneCore", "IPluginV3OneBuild", "IPluginV3OneRuntime", "IPluginCreatorV3One"):
        setattr(module, name, type(name, (), {}))
    for thing in (DataType, TensorFormat, TensorIOMode, PluginFieldType, ExecutionContextAllocationStrategy):
        setattr(module, thing.__name__, thing)
    module.PluginField, module.PluginFieldCollection = PluginField, PluginFieldCollection
    module.Logger, module.Runtime = Logger, Runtime
    module.DimsExprs, module.nptype, module.get_plugin_registry = list, NUMPY_TYPES.__getitem__, Registry
    sys.modules["tensorrt"] = module
    return module
