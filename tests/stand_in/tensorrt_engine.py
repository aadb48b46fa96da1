"""TensorRT's runtime, of the stand-in in tensorrt.py: engines and execution contexts.

An engine's bytes are a NumPy archive: the network, the profiles, the builder's flags and the fields of each plugin. The
tensors around a plugin lie in the device memory of the execution context, as TensorRT's do.
"""

import io
import zipfile
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.stand_in.cuda import device
from tests.stand_in.memory import ALIGNMENT, POISON, MisuseError
from tests.stand_in.network import Arrays, Network
from tests.stand_in.tensorrt_types import (
    NUMPY,
    OF_ONNX,
    DataType,
    Dims,
    ExecutionContextAllocationStrategy,
    ILogger,
    IPluginV3,
    IPluginV3OneBuild,
    IPluginV3OneCore,
    IPluginV3OneRuntime,
    PluginCapabilityType,
    PluginField,
    PluginFieldCollection,
    PluginFieldType,
    PluginTensorDesc,
    TensorIOMode,
    TensorRTPhase,
    check_constructed,
    refused,
    registry,
)

PLUGIN_BASES = (IPluginV3, IPluginV3OneCore, IPluginV3OneBuild, IPluginV3OneRuntime)
CONTEXT_BYTES = 1000  # more than the plugins' tensors, and no multiple of 256


@dataclass(frozen=True)
class Plan:
    """What an engine file holds. `profiles` (P, 3, 4): the smallest, usual and largest shape of the images."""

    network: bytes
    profiles: NDArray[np.int64]
    flags: tuple[str, ...]
    fields: tuple[tuple[PluginField, ...], ...]  # of each plugin

    def to_bytes(self) -> bytes:
        file = io.BytesIO()
        arrays = {
            f"plugin {number} {field.type.name} {field.name}": field.data
            for number, fields in enumerate(self.fields)
            for field in fields
        }
        np.savez(
            file,
            network=np.frombuffer(self.network, np.uint8),
            profiles=self.profiles,
            flags=np.array(self.flags, "U"),
            **arrays,
        )
        return file.getvalue()

    @classmethod
    def of_bytes(cls, content: bytes) -> "Plan":
        with np.load(io.BytesIO(content)) as arrays:
            fields: dict[int, list[PluginField]] = {}
            for key in arrays.files:
                if key.startswith("plugin "):
                    _, number, kind, name = key.split(" ")
                    fields.setdefault(int(number), []).append(PluginField(name, arrays[key], PluginFieldType[kind]))
            return cls(
                arrays["network"].tobytes(),
                arrays["profiles"],
                tuple(map(str, arrays["flags"])),
                tuple(tuple(fields[number]) for number in sorted(fields)),
            )


class Runtime:
    """Reads engines."""

    engine_class: "type[ICudaEngine]"

    def __init__(self, logger: ILogger) -> None:
        if logger is None:
            raise TypeError("a runtime needs a logger")
        self.logger = logger

    def deserialize_cuda_engine(self, content: bytes) -> "ICudaEngine | None":
        if "deserialize_cuda_engine" in refused:
            return None
        try:
            return self.engine_class(Plan.of_bytes(content), self)
        except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile, LookupError) as error:
            self.logger.log(ILogger.ERROR, f"this engine cannot be read: {error}")
            return None


class ICudaEngine:
    """A network with its plugins; `num_optimization_profiles` says for how many ranges of shapes it was built."""

    context_class: "type[IExecutionContext]"

    def __init__(self, plan: Plan, runtime: Runtime) -> None:
        self.plan, self.runtime = plan, runtime
        self.network = Network(plan.network)
        self.plugins = [
            self._plugin(node, fields) for node, fields in zip(self.network.plugins, plan.fields, strict=True)
        ]
        self.tensors: dict[str, Any] = {value.name: value.type.tensor_type for value in self.network.values}
        self.num_io_tensors, self.num_optimization_profiles = len(self.tensors), len(plan.profiles)
        one_image = np.zeros(tuple(self.plan.profiles[0, 0, 1:]), np.uint8)[None]
        self.inner = {name: (value.shape, value.dtype) for name, value in self.network.before(one_image).items()}

    def _plugin(self, node: Any, fields: tuple[PluginField, ...]) -> Any:
        creator = registry.get_creator(node.operator, "1", node.domain)
        if creator is None:
            raise LookupError(f"there is no plugin {node.operator} in {node.domain}")
        plugin = creator.create_plugin(node.name, PluginFieldCollection(fields), TensorRTPhase.RUNTIME)
        if plugin is None:
            raise LookupError(f"the creator makes no plugin for {node.name}")
        check_constructed(plugin, PLUGIN_BASES)
        return plugin.get_capability_interface(PluginCapabilityType.RUNTIME)

    def get_tensor_name(self, index: int) -> str:
        return list(self.tensors)[index]

    def get_tensor_mode(self, name: str) -> TensorIOMode:
        return TensorIOMode.OUTPUT if name in self.network.outputs else TensorIOMode.INPUT

    def get_tensor_dtype(self, name: str) -> DataType:
        return OF_ONNX[self.tensors[name].elem_type]

    def get_tensor_shape(self, name: str) -> Dims:
        return Dims(length.dim_value if length.HasField("dim_value") else -1 for length in self.tensors[name].shape.dim)

    def get_tensor_profile_shape(self, name: str, index: int) -> list[Dims]:
        if self.get_tensor_mode(name) != TensorIOMode.INPUT:
            raise MisuseError(f"{name} has no profile; inputs have")
        return [Dims(map(int, shape)) for shape in self.plan.profiles[index]]

    @property
    def device_memory_size_v2(self) -> int:
        largest = int(self.plan.profiles[:, 2, 0].max())
        return CONTEXT_BYTES + sum(num_bytes for _, _, num_bytes in self.places(largest).values())

    def places(self, batch: int) -> dict[str, tuple[int, tuple[int, ...], int]]:
        """For each tensor around the plugins: its offset in the context's memory, its shape and its bytes."""
        offset, found = 0, {}
        for plugin in self.network.plugins:
            for name in (*plugin.inputs, plugin.output):
                shape = self.shape_of(name, batch)
                num_bytes = int(np.prod(shape)) * self.kind_of(name).itemsize
                num_bytes += -num_bytes % ALIGNMENT
                if name not in found:
                    found[name] = offset, shape, num_bytes
                    offset += num_bytes
        return found

    def shape_of(self, name: str, batch: int) -> tuple[int, ...]:
        outputs = {plugin.output: plugin for plugin in self.network.plugins}
        if name in outputs:
            projected, _, bias = outputs[name].inputs
            return batch, self.inner[bias][0][0], *self.inner[projected][0][2:]
        shape, _ = self.inner[name]
        return shape if name in self.network.constants else (batch, *shape[1:])

    def kind_of(self, name: str) -> Any:
        return self.inner[name][1] if name in self.inner else np.dtype(np.float32)

    def create_execution_context(self, strategy: Any) -> "IExecutionContext | None":
        return None if "create_execution_context" in refused else self.context_class(self, strategy)


class IExecutionContext:
    """Runs an engine for one shape of the images."""

    def __init__(self, engine: ICudaEngine, strategy: Any) -> None:
        if strategy != ExecutionContextAllocationStrategy.USER_MANAGED:
            raise MisuseError("the stand-in allocates no memory; the server is to give it")
        self.engine = engine  # a context keeps its engine
        self._plugins = [plugin.attach_to_context(None) for plugin in engine.plugins]
        self._profile = 0 if engine.num_optimization_profiles == 1 else None
        self._shape: tuple[int, ...] | None = None
        self._addresses: dict[str, int] = {}
        self._memory: tuple[int, int] | None = None

    def set_optimization_profile_async(self, index: int, stream: int) -> bool:
        if "set_optimization_profile_async" in refused or not 0 <= index < self.engine.num_optimization_profiles:
            return False
        self._profile, self._shape = index, None
        device().enqueue(stream, lambda: None)
        return True

    def set_device_memory(self, memory: int, size: int) -> None:
        if "set_device_memory" in refused or memory % ALIGNMENT or size < self.engine.device_memory_size_v2:
            self._complain("the device memory is too small or not aligned")
        else:
            self._memory = memory, size

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        if "set_input_shape" in refused or self._profile is None:
            return False
        low, _, high = self.engine.get_tensor_profile_shape(name, self._profile)
        if len(shape) != len(low) or not all(a <= b <= c for a, b, c in zip(low, shape, high, strict=True)):
            self._complain(f"the profile does not have {shape}")
            return False
        self._shape = tuple(shape)
        return True

    def set_tensor_address(self, name: str, memory: int) -> bool:
        if "set_tensor_address" in refused or name not in self.engine.tensors:
            return False
        self._addresses[name] = memory
        return True

    def execute_async_v3(self, stream: int) -> bool:
        missing = set(self.engine.tensors) - set(self._addresses)
        if "execute_async_v3" in refused or self._shape is None or self._memory is None or missing:
            self._complain(f"shape {self._shape}, memory {self._memory}, without an address: {missing}")
            return False
        self._run(stream, self._shape, self._memory[0])
        return True

    def _run(self, stream: int, shape: tuple[int, ...], memory: int) -> None:
        engine, network, places = self.engine, self.engine.network, self.engine.places(shape[0])
        computed: Arrays = {}

        def inner(name: str) -> NDArray[Any]:
            offset, wanted, _ = places[name]
            return device().memory.array("device", memory + offset, wanted, engine.kind_of(name))

        def images() -> NDArray[np.uint8]:
            return self._tensor(network.inputs[0].name, shape)

        def before() -> None:
            computed.update(network.before(images()))
            for plugin in network.plugins:
                for name in plugin.inputs:
                    inner(name)[:] = computed[name]
                inner(plugin.output).view(np.uint8)[:] = POISON

        def after() -> None:
            computed.update({plugin.output: inner(plugin.output) for plugin in network.plugins})
            for name, value in network.after(images(), computed).items():
                self._tensor(name, value.shape)[:] = value

        device().enqueue(stream, before)
        for node, plugin in zip(network.plugins, self._plugins, strict=True):
            descs = [PluginTensorDesc(Dims(places[name][1]), self._kind(name)) for name in (*node.inputs, node.output)]
            plugin.on_shape_change(descs[:-1], descs[-1:])
            addresses = [memory + places[name][0] for name in (*node.inputs, node.output)]
            plugin.enqueue(descs[:-1], descs[-1:], addresses[:-1], addresses[-1:], 0, stream)
        device().enqueue(stream, after)

    def _tensor(self, name: str, shape: tuple[int, ...]) -> NDArray[Any]:
        kind = NUMPY[self.engine.get_tensor_dtype(name)]
        return device().memory.array("device", self._addresses[name], shape, kind)

    def _kind(self, name: str) -> DataType:
        return next(kind for kind, numpy_kind in NUMPY.items() if self.engine.kind_of(name) == numpy_kind)

    def _complain(self, message: str) -> None:
        self.engine.runtime.logger.log(ILogger.ERROR, message)


Runtime.engine_class = ICudaEngine
ICudaEngine.context_class = IExecutionContext
