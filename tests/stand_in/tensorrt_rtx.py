"""The module `tensorrt_rtx`: the stand-in of TensorRT with what TensorRT for RTX adds."""

import enum
from typing import Any

from tests.stand_in import tensorrt_engine, tensorrt_types
from tests.stand_in.cuda import device
from tests.stand_in.memory import MisuseError
from tests.stand_in.tensorrt import *  # noqa: F403

__version__ = "1.7.1.stand-in"


class RtxBuilderFlag(enum.Enum):
    TF32, REFIT, REQUIRE_USER_ALLOCATION = range(3)


class ComputeCapability(enum.Enum):
    NONE, CURRENT, SM75, SM80, SM86, SM89, SM120, SM121 = range(8)


class DynamicShapesKernelSpecializationStrategy(enum.Enum):
    LAZY, EAGER, NONE = range(3)


class IRuntimeConfig:
    """The settings of an execution context."""

    def __init__(self) -> None:
        self.strategy: Any = None
        self.dynamic_shapes_kernel_specialization_strategy = DynamicShapesKernelSpecializationStrategy.LAZY

    def set_execution_context_allocation_strategy(self, strategy: Any) -> None:
        self.strategy = strategy


class RtxContext(tensorrt_engine.IExecutionContext):
    """A context that may allocate or compile while it runs; then it cannot be captured."""

    def is_stream_capturable(self, stream: int) -> bool:
        if device().is_capturing(stream):
            raise MisuseError("this is asked before the capture begins")
        return self._can_be_captured()

    def execute_async_v3(self, stream: int) -> bool:
        if device().is_capturing(stream) and not self._can_be_captured():
            raise MisuseError("this context cannot be captured")
        return super().execute_async_v3(stream)

    def _can_be_captured(self) -> bool:
        return "is_stream_capturable" not in tensorrt_types.refused


class RtxEngine(tensorrt_engine.ICudaEngine):
    """An engine whose kernels for a shape are compiled when they are needed, unless a context is eager."""

    context_class = RtxContext

    def create_runtime_config(self) -> IRuntimeConfig | None:
        return None if "create_runtime_config" in tensorrt_types.refused else IRuntimeConfig()

    def create_execution_context(self, config: Any) -> Any:
        eager = DynamicShapesKernelSpecializationStrategy.EAGER
        if config.dynamic_shapes_kernel_specialization_strategy != eager:
            raise MisuseError("a graph would keep the slow kernels that it was captured with")
        return super().create_execution_context(config.strategy)


class RtxRuntime(tensorrt_engine.Runtime):
    """Reads engines."""

    engine_class = RtxEngine


BuilderFlag = RtxBuilderFlag  # type: ignore[misc, assignment]
Runtime = RtxRuntime  # type: ignore[misc]
