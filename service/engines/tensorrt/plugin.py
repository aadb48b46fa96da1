"""OffsetConv as a TensorRT plugin, for building and running engines with this layer.

The kernel is compiled when an engine is built. Its machine code is stored in the engine as a field of the plugin, so a
machine that runs the engine needs no compiler. `trt` is the module `tensorrt` or `tensorrt_rtx`.
"""

import logging
from typing import Any

import numpy as np

from service.engines.tensorrt.cuda import CudaError
from service.engines.tensorrt.kernel import Shape, launch, load_kernel

OPERATOR, VERSION, NAMESPACE = "OffsetConv", "1", "singleshot"

logger = logging.getLogger("singleshot")
_creators: dict[str, Any] = {}  # by module name; kept here because TensorRT holds no reference to them


class _Plugin:
    """One layer: inputs z, geometry, bias and output y as in offset_conv.cu, all in TensorRT's linear format.

    TensorRT calls it from C++. An exception there ends the process or is lost, so every failure is logged.
    """

    trt: Any  # the module, set by `register`

    def __init__(self, boxes: int, cubin: bytes) -> None:
        for base in type(self).__mro__[2:6]:  # pybind11 needs each of them constructed
            base.__init__(self)  # type: ignore[misc]
        self.num_outputs = 1  # set here: in the class it would hide the base's property
        self.plugin_name, self.plugin_version, self.plugin_namespace = OPERATOR, VERSION, NAMESPACE
        self.boxes = boxes
        self.cubin = cubin

    def get_capability_interface(self, kind: object) -> object:  # noqa: ARG002 (this object has all capabilities)
        return self

    def clone(self) -> object:
        copied = type(self)(self.boxes, self.cubin)
        copied.__dict__.update(self.__dict__)
        return copied

    def get_output_data_types(self, inputs: list[Any]) -> list[Any]:  # noqa: ARG002
        return [self.trt.DataType.FLOAT]

    def get_output_shapes(self, inputs: list[Any], shape_inputs: list[Any], builder: object) -> list[Any]:  # noqa: ARG002
        projected, _, bias = inputs
        output = self.trt.DimsExprs(projected)
        output[1] = bias[0]
        return [output]

    def supports_format_combination(self, position: int, tensors: list[Any], num_inputs: int) -> bool:  # noqa: ARG002
        types = self.trt.DataType
        kind = tensors[position].desc
        allowed = {0: (types.FLOAT, types.HALF), 2: (tensors[0].desc.type,)}.get(position, (types.FLOAT,))
        return kind.format == self.trt.TensorFormat.LINEAR and kind.type in allowed

    def get_fields_to_serialize(self) -> Any:
        field, kinds = self.trt.PluginField, self.trt.PluginFieldType
        boxes, cubin = np.array([self.boxes], np.int32), np.frombuffer(self.cubin, np.int8)
        self._fields = boxes, cubin  # kept: PluginField holds no reference to its data
        return self.trt.PluginFieldCollection([field("boxes", boxes, kinds.INT32), field("cubin", cubin, kinds.INT8)])

    def configure_plugin(self, inputs: list[Any], outputs: list[Any]) -> None:
        pass

    def on_shape_change(self, inputs: list[Any], outputs: list[Any]) -> None:
        pass

    def attach_to_context(self, context: object) -> object:  # noqa: ARG002
        return self.clone()

    def set_tactic(self, tactic: int) -> None:
        pass

    def get_valid_tactics(self) -> list[int]:
        return []

    def get_workspace_size(self, inputs: list[Any], outputs: list[Any]) -> int:  # noqa: ARG002
        return 0

    def enqueue(
        self,
        inputs: list[Any],
        outputs: list[Any],  # noqa: ARG002
        input_pointers: list[int],
        output_pointers: list[int],
        workspace: int,  # noqa: ARG002
        stream: int,
    ) -> None:
        """Launch the kernel. If this raises, TensorRT's execute_async_v3 returns False."""
        try:
            projected, _, bias = inputs
            batch, _, height, width = tuple(projected.dims)
            shape = Shape(self.boxes, bias.dims[0] // self.boxes, height, width)
            kernel = load_kernel(self.cubin, projected.type == self.trt.DataType.HALF)
            launch(kernel, shape, batch, [*input_pointers, *output_pointers], stream)
        except Exception:
            logger.exception("the offset convolution cannot run")
            raise


class _Creator:
    """Makes plugins: from a node of an ONNX model, with the machine code `cubin`, or from the fields in an engine."""

    trt: Any
    plugin_class: type[_Plugin]

    def __init__(self) -> None:
        type(self).__mro__[2].__init__(self)  # type: ignore[misc]
        self.name, self.plugin_version, self.plugin_namespace = OPERATOR, VERSION, NAMESPACE
        field, kinds = self.trt.PluginField, self.trt.PluginFieldType
        self.field_names = self.trt.PluginFieldCollection([field("boxes", np.array([], np.int32), kinds.INT32)])
        self.cubin = b""

    def create_plugin(self, name: str, fields: Any, phase: object) -> _Plugin | None:  # noqa: ARG002
        try:
            values = {field.name: field.data for field in fields}
            cubin = np.asarray(values["cubin"]).tobytes() if "cubin" in values else self.cubin
            return self.plugin_class(int(np.asarray(values["boxes"]).item()), cubin)
        except Exception:
            logger.exception("%s: no plugin can be made from this node", name)
            return None


def register(trt: Any, cubin: bytes = b"") -> None:
    """Register the plugin with TensorRT in this process; engines that are built from now on get `cubin`.

    Raises CudaError if TensorRT refuses it.
    """
    if trt.__name__ not in _creators:
        bases = trt.IPluginV3, trt.IPluginV3OneCore, trt.IPluginV3OneBuild, trt.IPluginV3OneRuntime
        plugin_class = type("OffsetConvPlugin", (_Plugin, *bases), {"trt": trt})
        creator = type(
            "OffsetConvCreator", (_Creator, trt.IPluginCreatorV3One), {"trt": trt, "plugin_class": plugin_class}
        )
        made = creator()
        if not trt.get_plugin_registry().register_creator(made, NAMESPACE):
            raise CudaError(f"TensorRT refused the plugin {OPERATOR}: another library has registered one of that name")
        _creators[trt.__name__] = made
    _creators[trt.__name__].cubin = cubin
