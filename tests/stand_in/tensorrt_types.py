"""The values and base classes of TensorRT's Python API, of the stand-in in tensorrt.py."""

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import TensorProto

from tests.stand_in.memory import MisuseError


class DataType(enum.Enum):
    FLOAT, HALF, UINT8, INT32, INT64 = range(5)


class TensorFormat(enum.Enum):
    LINEAR, CHW4, HWC8 = range(3)


class TensorIOMode(enum.Enum):
    NONE, INPUT, OUTPUT = range(3)


class PluginFieldType(enum.Enum):
    INT32, INT8, FLOAT32 = range(3)


class TensorRTPhase(enum.Enum):
    BUILD, RUNTIME = range(2)


class PluginCapabilityType(enum.Enum):
    CORE, BUILD, RUNTIME = range(3)


class LayerType(enum.Enum):
    OTHER, PLUGIN_V3 = range(2)


class ExecutionContextAllocationStrategy(enum.Enum):
    STATIC, ON_PROFILE_CHANGE, USER_MANAGED = range(3)


class NetworkDefinitionCreationFlag(enum.IntEnum):
    STRONGLY_TYPED = 1


class OnnxParserFlag(enum.Enum):
    ENABLE_PLUGIN_OVERRIDE = 1


class BuilderFlag(enum.Enum):
    TF32, REFIT = range(2)


NUMPY = {
    DataType.FLOAT: np.float32,
    DataType.HALF: np.float16,
    DataType.UINT8: np.uint8,
    DataType.INT32: np.int32,
    DataType.INT64: np.int64,
}
OF_ONNX = {
    TensorProto.FLOAT: DataType.FLOAT,
    TensorProto.FLOAT16: DataType.HALF,
    TensorProto.UINT8: DataType.UINT8,
    TensorProto.INT32: DataType.INT32,
    TensorProto.INT64: DataType.INT64,
}
FIELDS = {
    PluginFieldType.INT32: np.dtype(np.int32),
    PluginFieldType.INT8: np.dtype(np.int8),
    PluginFieldType.FLOAT32: np.dtype(np.float32),
}


def nptype(kind: DataType) -> Any:
    return NUMPY[kind]


class ILogger:
    """Gets messages with a severity; a lower number is more severe."""

    INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE = range(5)

    def log(self, severity: int, message: str) -> None:
        raise NotImplementedError


class Logger(ILogger):
    """Prints what is at least as severe as `severity`; the tests read `messages`."""

    def __init__(self, severity: int = ILogger.WARNING) -> None:
        self.min_severity, self.messages = severity, list[str]()

    def log(self, severity: int, message: str) -> None:
        if severity <= self.min_severity:
            self.messages.append(message)


class IProgressMonitor:
    """The base of a progress monitor."""


class PluginField:
    """A named array; like TensorRT's it does not own its data."""

    def __init__(self, name: str, data: Any, type: PluginFieldType) -> None:
        if data.dtype != FIELDS[type]:
            raise TypeError(f"{name} has elements of {data.dtype}, and {type} was given")
        self.name, self.data, self.type = name, data, type


class PluginFieldCollection(list[PluginField]):
    """What a creator takes, and what a plugin is serialized into."""


class DimsExprs(list[int]):
    """The lengths of a tensor; a length that is not known is -1."""


class Dims(tuple[int, ...]):
    """The same."""

    __slots__ = ()


@dataclass
class PluginTensorDesc:
    """A tensor of a plugin."""

    dims: Dims
    type: DataType
    format: TensorFormat = TensorFormat.LINEAR


@dataclass
class DynamicPluginTensorDesc:
    """A tensor of a plugin, while an engine is built."""

    desc: PluginTensorDesc


class _Constructed:
    """pybind11 refuses an object if a base in C++ was not constructed; `check_constructed` does the same."""

    def __init__(self) -> None:
        known = self.__dict__.setdefault("_constructed", [])
        known.append(len(known))


class IPluginV3(_Constructed): ...


class IPluginV3OneCore(_Constructed): ...


class IPluginV3OneBuild(_Constructed): ...


class IPluginV3OneRuntime(_Constructed): ...


class IPluginCreatorV3One(_Constructed): ...


def check_constructed(thing: Any, bases: Sequence[type]) -> None:
    """Raise MisuseError unless `thing` has these bases and constructed each of them."""
    if not isinstance(thing, _Constructed) or len(thing.__dict__.get("_constructed", ())) < len(bases):
        raise MisuseError(f"{type(thing).__name__} does not construct its bases {bases}")


class Registry:
    """The creators of plugins, by name, version and namespace."""

    def __init__(self) -> None:
        self.creators: dict[tuple[str, str, str], Any] = {}

    def register_creator(self, creator: Any, namespace: str = "") -> bool:
        check_constructed(creator, [IPluginCreatorV3One])
        key = creator.name, creator.plugin_version, namespace
        if "register_creator" in refused or key in self.creators:
            return False
        self.creators[key] = creator
        return True

    def get_creator(self, name: str, version: str, namespace: str) -> Any | None:
        return self.creators.get((name, version, namespace))


refused: set[str] = set()  # the names of the calls that report a failure, as tests want
registry = Registry()


def get_plugin_registry() -> Registry:
    return registry
