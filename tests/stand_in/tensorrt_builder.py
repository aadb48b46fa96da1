"""TensorRT's builder and ONNX parser, of the stand-in in tensorrt.py."""
# The arguments are TensorRT's:
# ruff: noqa: ARG002

import time
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx

from tests.stand_in.memory import MisuseError
from tests.stand_in.network import Network, PluginNode
from tests.stand_in.tensorrt_engine import PLUGIN_BASES, Plan
from tests.stand_in.tensorrt_types import (
    OF_ONNX,
    BuilderFlag,
    DataType,
    Dims,
    DimsExprs,
    DynamicPluginTensorDesc,
    ILogger,
    LayerType,
    NetworkDefinitionCreationFlag,
    OnnxParserFlag,
    PluginField,
    PluginFieldCollection,
    PluginFieldType,
    PluginTensorDesc,
    TensorFormat,
    TensorRTPhase,
    check_constructed,
    refused,
    registry,
)

PHASE, STEPS = "Building Engine", 5
seconds_a_step = 0.0  # how long a build takes


class INetworkDefinition:
    """A network that the parser has read."""

    def __init__(self) -> None:
        self.content, self.plugins = b"", list[tuple[PluginNode, Any]]()
        self._inputs: list[Any] = []
        self._layers: list[Any] = []
        self.num_layers = 0

    def fill(self, content: bytes, plugins: list[tuple[PluginNode, Any]]) -> None:
        model = onnx.load_from_string(content)
        self.content, self.plugins = content, plugins
        for value in model.graph.input:
            lengths = value.type.tensor_type.shape.dim
            shape = Dims(length.dim_value if length.HasField("dim_value") else -1 for length in lengths)
            self._inputs.append(SimpleNamespace(name=value.name, shape=shape))
        kinds = [LayerType.PLUGIN_V3 if node.domain else LayerType.OTHER for node in model.graph.node]
        self._layers = [SimpleNamespace(type=kind) for kind in kinds]
        self.num_layers = len(self._layers)

    def get_input(self, index: int) -> Any:
        return self._inputs[index]

    def get_layer(self, index: int) -> Any:
        return self._layers[index]


class OnnxParser:
    """Reads an ONNX network; each node of a foreign domain becomes a plugin."""

    def __init__(self, network: INetworkDefinition, logger: ILogger) -> None:
        self._network, self._flags, self._errors = network, set[OnnxParserFlag](), list[Any]()

    @property
    def num_errors(self) -> int:
        return len(self._errors)

    def set_flag(self, flag: OnnxParserFlag) -> None:
        self._flags.add(flag)

    def get_error(self, index: int) -> Any:
        return self._errors[index]

    def parse(self, content: bytes) -> bool:
        plugins = []
        for node in Network(content).plugins:
            creator = registry.get_creator(node.operator, "1", node.domain)
            fields = PluginFieldCollection(
                PluginField(name, np.array([value], np.int32), PluginFieldType.INT32)
                for name, value in node.attributes.items()
            )
            plugin = creator and creator.create_plugin(node.name, fields, TensorRTPhase.BUILD)
            if plugin is None:
                self._refuse(node, "Plugin not found, are the plugin name, version, and namespace correct?")
                return False
            check_constructed(plugin, PLUGIN_BASES)
            plugins.append((node, plugin))
        self._network.fill(content, plugins)
        return True

    def _refuse(self, node: PluginNode, reason: str) -> None:
        self._errors.append(
            SimpleNamespace(node_operator=lambda: node.operator, node_name=lambda: node.name, desc=lambda: reason)
        )


class IOptimizationProfile:
    """The shapes of the inputs."""

    def __init__(self) -> None:
        self.shapes: dict[str, tuple[Sequence[int], ...]] = {}

    def set_shape(self, name: str, low: Sequence[int], usual: Sequence[int], high: Sequence[int]) -> None:
        if not all(a <= b <= c for a, b, c in zip(low, usual, high, strict=True)):
            raise ValueError(f"{name}: {low}, {usual}, {high} do not rise")
        self.shapes[name] = tuple(low), tuple(usual), tuple(high)


class IBuilderConfig:
    """How to build."""

    def __init__(self) -> None:
        self.flags: set[str] = {BuilderFlag.TF32.name}
        self.profiles: list[IOptimizationProfile] = []
        self.progress_monitor: Any = None
        self.num_compute_capabilities = 1
        self.targets: dict[int, Any] = {}

    def set_compute_capability(self, capability: Any, index: int) -> None:
        self.targets[index] = capability

    def set_flag(self, flag: BuilderFlag) -> None:
        self.flags.add(flag.name)

    def clear_flag(self, flag: BuilderFlag) -> None:
        self.flags.discard(flag.name)

    def add_optimization_profile(self, profile: IOptimizationProfile) -> int:
        if "add_optimization_profile" in refused:
            return -1
        self.profiles.append(profile)
        return len(self.profiles) - 1


class Builder:
    """Builds engines."""

    def __init__(self, logger: ILogger) -> None:
        self._logger = logger

    def create_network(self, flags: int) -> INetworkDefinition:
        if flags != 1 << NetworkDefinitionCreationFlag.STRONGLY_TYPED:
            raise MisuseError("the precision stands in the network, so it must be strongly typed")
        return INetworkDefinition()

    def create_builder_config(self) -> IBuilderConfig:
        return IBuilderConfig()

    def create_optimization_profile(self) -> IOptimizationProfile:
        return IOptimizationProfile()

    def build_serialized_network(self, network: INetworkDefinition, config: IBuilderConfig) -> bytes | None:
        if "build_serialized_network" in refused or not config.profiles:
            self._logger.log(ILogger.ERROR, "there is no profile, or the build is refused")
            return None
        if config.progress_monitor and not report_steps(config.progress_monitor):
            return None
        (images,) = {name for profile in config.profiles for name in profile.shapes}
        profiles = np.array([profile.shapes[images] for profile in config.profiles], np.int64)
        described = describe_plugins(network, profiles)
        return Plan(network.content, profiles, tuple(sorted(config.flags)), described).to_bytes()


def report_steps(monitor: Any) -> bool:
    """Tell the monitor of a build with a phase inside; False if the monitor cancels it."""
    monitor.phase_start(PHASE, None, STEPS)
    goes_on = True
    for step in range(STEPS):
        monitor.phase_start("Timing", PHASE, 1)
        time.sleep(seconds_a_step)
        goes_on = goes_on and monitor.step_complete("Timing", 0)
        monitor.phase_finish("Timing")
        goes_on = goes_on and monitor.step_complete(PHASE, step)
    monitor.phase_finish(PHASE)
    return goes_on


def describe_plugins(network: INetworkDefinition, profiles: Any) -> tuple[tuple[PluginField, ...], ...]:
    """Ask each plugin what TensorRT asks it in a build, and return its fields."""
    inner = Network(network.content).before(np.zeros(tuple(profiles[0, 0]), np.uint8))
    found = []
    for node, plugin in network.plugins:
        tensors = [inner[name] for name in node.inputs]
        shapes = [DimsExprs(tensor.shape) for tensor in tensors]
        (output,) = plugin.get_output_shapes(shapes, [], None)
        (kind,) = plugin.get_output_data_types([kind_of(tensor) for tensor in tensors])
        descs = [PluginTensorDesc(Dims(tensor.shape), kind_of(tensor)) for tensor in tensors]
        descs.append(PluginTensorDesc(Dims(output), kind))
        described = [DynamicPluginTensorDesc(desc) for desc in descs]
        for position in range(len(descs)):
            if not plugin.supports_format_combination(position, described, len(tensors)):
                raise MisuseError(f"the plugin refuses its tensor {position}, {descs[position]}")
        descs[0].format = TensorFormat.CHW4
        if plugin.supports_format_combination(0, described, len(tensors)):
            raise MisuseError("the plugin takes a format that its kernel cannot read")
        descs[0].format = TensorFormat.LINEAR
        plugin.configure_plugin(described[:-1], described[-1:])
        copied = plugin.clone()
        check_constructed(copied, PLUGIN_BASES)
        found.append(tuple(copied.get_fields_to_serialize()))
    return tuple(found)


def kind_of(tensor: Any) -> DataType:
    return OF_ONNX[onnx.helper.np_dtype_to_tensor_dtype(tensor.dtype)]
