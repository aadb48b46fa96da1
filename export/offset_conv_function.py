"""`singleshot::OffsetConv` in standard ONNX operators, for engines that have no operator of that name.

The node is the sampling of models/passd/offset_conv.py for all boxes of a cell and both filter banks at once:

    y = OffsetConv <boxes = A> (z, geometry, bias)

    z         float32 or float16 (B, A*9*O, H, W)   the projected map, channels ordered box, tap, filter
    geometry  float32 (B, A*4, H, W)                shift_y, shift_x, height and width of each box, in cells
    bias      as z (A*O)
    y         float32 (B, A*O, H, W)                channels ordered box, filter

Tap (i, j) of a box in cell p, with i and j in {-1, 0, 1}, samples bilinearly at p + shift + (i, j) * size / 3. A sample
is zero outside the map, and also if its position is not finite. The bias is added last. The arithmetic is float32.
"""

from typing import Union

import onnx
from onnxscript import FLOAT, FLOAT16, script
from onnxscript.onnx_opset import opset20 as op
from onnxscript.values import Opset

DOMAIN = "singleshot"
NAME = "OffsetConv"
VERSION = 1

Floats = Union[FLOAT, FLOAT16]  # noqa: UP007 (onnxscript does not support `FLOAT | FLOAT16`)


def offset_conv_function() -> onnx.FunctionProto:
    """The function to store in a model beside the nodes that call it; it has the model's opset."""
    function: onnx.FunctionProto = _offset_conv.to_function_proto()
    function.name = NAME
    return function


@script(Opset(DOMAIN, VERSION), default_opset=op)  # type: ignore[untyped-decorator]
def _offset_conv(z: Floats, geometry: FLOAT, bias: Floats, boxes: int) -> FLOAT:
    """Gather and MatMul, which ONNX Runtime computes several times faster than GridSample.

    For each of the N = B*A boxes in each of the P = H*W cells, Gather reads 36 rows of z (nine taps, each between four
    cells), and MatMul multiplies them by 36 weights. Six values along y and six along x (three taps, each between two
    cells) give both: the 36 indices are outer sums, the 36 weights outer products.
    """
    zero = op.Constant(value_float=0.0)
    one = op.Constant(value_float=1.0)
    six_taps = op.Constant(value_floats=[-1.0, -1.0, 0.0, 0.0, 1.0, 1.0])
    six_cells = op.Constant(value_floats=[0.0, 1.0, 0.0, 1.0, 0.0, 1.0])
    first_taps = op.Constant(value_ints=[0, 0, 3, 3, 6, 6])  # of the tap's row, in a row-major grid of nine
    tap_columns = op.Constant(value_ints=[0, 0, 1, 1, 2, 2])

    size = op.Shape(z, start=2)  # (2) H, W
    num_cells = op.ReduceProd(size, keepdims=1)  # (1) P
    width = op.Shape(z, start=3)  # (1)
    numbers = op.Range(op.Constant(value_int=0), op.Squeeze(num_cells), op.Constant(value_int=1))
    rows = op.Div(numbers, width)
    own = op.Cast(op.Concat(rows, op.Sub(numbers, op.Mul(rows, width)), axis=0), to=1)
    own = op.Reshape(own, op.Constant(value_ints=[2, -1, 1]))  # (2, P, 1) the cell's row and column
    extent = op.Reshape(op.Cast(size, to=1), op.Constant(value_ints=[2, 1, 1]))

    by_box = op.Concat(op.Constant(value_ints=[-1, 4]), num_cells, op.Constant(value_ints=[1]), axis=0)
    shift, box_size = op.Split(op.Reshape(geometry, by_box), axis=1, num_outputs=2)  # (N, 2, P, 1) each
    at = op.Add(op.Add(own, shift), op.Div(op.Mul(six_taps, box_size), op.Constant(value_float=3.0)))  # (N, 2, P, 6)
    # a position that touches no cell of the map moves to -2, outside the map; so does NaN, which compares as false
    touches = op.And(op.Greater(at, op.Constant(value_float=-1.0)), op.Less(at, extent))
    at = op.Where(touches, at, op.Constant(value_float=-2.0))
    cell = op.Add(op.Floor(at), six_cells)
    inside = op.Min(op.Max(cell, zero), op.Sub(extent, one))
    weight = op.Where(op.Equal(cell, inside), op.Sub(one, op.Abs(op.Sub(at, cell))), zero)
    weight_y, weight_x = op.Split(weight, axis=1, num_outputs=2)  # (N, 1, P, 6) each
    by_row = op.Constant(value_ints=[-1, 6, 1])
    by_column = op.Constant(value_ints=[-1, 1, 6])
    weights = op.Reshape(
        op.Mul(op.Reshape(weight_y, by_row), op.Reshape(weight_x, by_column)), op.Constant(value_ints=[-1, 1, 36])
    )

    y, x = op.Split(op.Cast(inside, to=7), axis=1, num_outputs=2)
    num_maps = op.Squeeze(op.Shape(op.Reshape(geometry, by_box), start=0, end=1))
    starts = op.Mul(
        op.Range(op.Constant(value_int=0), num_maps, op.Constant(value_int=1)),
        op.Mul(num_cells, op.Constant(value_int=9)),
    )
    starts = op.Reshape(starts, op.Constant(value_ints=[-1, 1, 1, 1]))
    y = op.Add(op.Add(op.Mul(y, width), op.Mul(first_taps, num_cells)), starts)
    x = op.Add(x, op.Mul(tap_columns, num_cells))
    index = op.Reshape(op.Add(op.Reshape(y, by_row), op.Reshape(x, by_column)), op.Constant(value_ints=[-1, 36]))

    num_boxes = op.Reshape(op.Constant(value_int=boxes), op.Constant(value_ints=[1]))
    num_filters = op.Div(op.Shape(bias), num_boxes)  # (1) O
    by_tap = op.Concat(op.Constant(value_ints=[-1]), num_filters, num_cells, axis=0)
    table = op.Transpose(op.Reshape(op.Cast(z, to=1), by_tap), perm=[0, 2, 1])  # (N*9, P, O)
    table = op.Reshape(table, op.Concat(op.Constant(value_ints=[-1]), num_filters, axis=0))
    sums = op.MatMul(weights, op.Gather(table, index))  # (N*P, 1, 36) x (N*P, 36, O)
    sums = op.Reshape(sums, op.Concat(op.Constant(value_ints=[-1]), num_cells, num_filters, axis=0))
    by_map = op.Concat(op.Constant(value_ints=[-1]), op.Shape(bias), size, axis=0)
    sums = op.Reshape(op.Transpose(sums, perm=[0, 2, 1]), by_map)  # (B, A*O, H, W)
    return op.Add(sums, op.Reshape(op.Cast(bias, to=1), op.Constant(value_ints=[-1, 1, 1])))
