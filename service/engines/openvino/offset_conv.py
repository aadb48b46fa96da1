"""The node `singleshot::OffsetConv` of a bundle's graph as an OpenVINO operator that is written in Python.

OpenVINO does not know the operators of another domain, and does not use the function that defines one in the model.
export/offset_conv_function.py says what the node means. OpenVINO stores feature maps with channels last, as the
operator needs them, so the transpositions around the operator cost nothing if the model's shapes are fixed.
"""

import numpy as np
import openvino
import openvino.opset15 as ov
from openvino import Node, Op, Output, Tensor, Type
from openvino.frontend import NodeContext
from openvino.frontend.onnx import ConversionExtension

from service.engines.openvino.sample_taps import sample_taps
from service.engines.protocol import Precision


class OffsetConv(Op):  # type: ignore[misc]
    """z (B, H, W, A*9*O), geometry (B, H, W, A*4) and bias (A*O) -> (B, H, W, A*O), by `sample_taps`.

    The operator adds itself to `copies`. So does each copy that OpenVINO makes when it copies or compiles the model.
    It adds its errors to `failures` and raises none: OpenVINO would lose them and return the outputs of the inference
    before.
    """

    def __init__(self, inputs: list[Output], copies: "list[OffsetConv]", failures: list[BaseException]) -> None:
        self.copies = copies
        self.failures = failures
        super().__init__(self, inputs)  # OpenVINO's base class needs the object twice
        copies.append(self)

    def validate_and_infer_types(self) -> None:
        shape = self.get_input_partial_shape(0)
        shape[3] = self.get_input_partial_shape(2)[0]
        self.set_output_type(0, Type.f32, shape)

    def clone_with_new_inputs(self, inputs: list[Output]) -> "OffsetConv":
        return OffsetConv(inputs, self.copies, self.failures)

    def has_evaluate(self) -> bool:
        return True

    def evaluate(self, outputs: list[Tensor], inputs: list[Tensor]) -> bool:
        try:
            z, geometry, bias = (tensor.data for tensor in inputs)
            is_bf16 = inputs[0].element_type == Type.bf16
            sample_taps(z.view(np.uint16) if is_bf16 else z, geometry, bias, outputs[0].data)
        except BaseException as error:  # also an interrupt: the caller of the engine must get it
            self.failures.append(error)
        return True


def keep_failures(model: openvino.Model, failures: list[BaseException]) -> None:
    """From now on the operators of a model, and those of its copies, add their errors to `failures`."""
    for operator in model.get_ops():
        if isinstance(operator, OffsetConv):
            operator.failures = failures


def release(copies: list[OffsetConv]) -> None:
    """Disconnect operators from their models, which are no longer used.

    OpenVINO never frees an operator that is written in Python. If it stayed connected, it would keep the weights of its
    model in memory.
    """
    for operator in copies:
        inputs = [
            ov.parameter(value.get_partial_shape(), value.get_element_type()) for value in operator.input_values()
        ]
        operator.set_arguments([value.output(0) for value in inputs])
    copies.clear()


def offset_conv_extension(precision: Precision, copies: list[OffsetConv]) -> ConversionExtension:
    """The extension for `Core.add_extension`; precision is that of the convolutions, and `release` needs `copies`."""

    def convert(node: NodeContext) -> list[Output]:
        """z (B, A*9*O, H, W), geometry (B, A*4, H, W), bias (A*O) -> (B, A*O, H, W)."""
        z, geometry, bias = (node.get_input(i) for i in range(3))
        if precision == "bf16":
            z = in_bf16(z)
        channels_last = [ov.transpose(value, [0, 2, 3, 1]).output(0) for value in (z, geometry)]
        outputs: list[Output] = ov.transpose(OffsetConv([*channels_last, bias], copies, []), [0, 3, 1, 2]).outputs()
        return outputs

    return ConversionExtension("OffsetConv", "singleshot", convert)


def in_bf16(z: Output) -> Output:
    """The output of a convolution in bf16, in which it is computed; by default OpenVINO would convert it to fp32."""
    node: Node = z.get_node()
    if node.get_type_name() != "Convolution":
        return z
    inputs = [ov.convert(value, "bf16") for value in node.input_values()]
    attributes = node.get_attributes()
    names = "strides", "pads_begin", "pads_end", "dilations", "auto_pad"
    return ov.convolution(*inputs, *(attributes[name] for name in names)).output(0)
