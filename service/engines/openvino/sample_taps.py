"""The arithmetic of the node `singleshot::OffsetConv` on a CPU, compiled by Numba.

export/offset_conv_function.py says what the node means. A box has nine taps, each between four cells. Together these
cells are six rows by six columns: 36 runs of O numbers in a map that is stored with channels last. The output is their
weighted sum.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic
from numpy.typing import NDArray

from service.compiled import compiled

TAPS = 9  # a 3x3 kernel, row-major
LANES = (16, 8, 4, 1)  # numbers of filters that can be summed at once


def sample_taps(
    z: NDArray[np.float32] | NDArray[np.uint16],
    geometry: NDArray[np.float32],
    bias: NDArray[np.float32],
    output: NDArray[np.float32],
) -> None:
    """Write into output (B, H, W, A*O), for each box, its bias plus the sum over its taps of z, sampled between cells.

    z (B, H, W, A*9*O) is float32 or the bits of bfloat16; its channels are ordered box, tap, filter.
    geometry (B, H, W, A*4) is shift_y, shift_x, height and width of each box, in cells.
    bias is (A*O). All arrays are contiguous. The function releases the GIL.
    """
    batch, height, width, channels = output.shape
    num_boxes = geometry.shape[3] // 4
    num_filters = channels // num_boxes
    lanes = next(lanes for lanes in LANES if lanes <= num_filters)
    shape = batch, height, width, num_boxes, num_filters
    KERNELS[lanes](z.reshape(-1), geometry.reshape(-1, 4), bias, output.reshape(-1), shape)


def kernel(lanes: int) -> Any:
    """The loops over all boxes, with `lanes` filters at a time; if O is no multiple of it, the last steps overlap."""

    @compiled
    def sample(z: Any, geometry: Any, bias: Any, output: Any, shape: Any) -> None:
        batch, height, width, num_boxes, num_filters = shape
        channels = num_boxes * 9 * num_filters  # of z
        rows, columns = np.empty(6, np.int64), np.empty(6, np.int64)
        row_weights, column_weights = np.empty(6, np.float32), np.empty(6, np.float32)
        box = 0
        for image in range(batch):
            for row in range(height):
                for column in range(width):
                    for number in range(num_boxes):
                        shift_y, shift_x, box_height, box_width = geometry[box]
                        two_cells(np.float32(row) + shift_y, box_height, height, width * channels, rows, row_weights)
                        two_cells(np.float32(column) + shift_x, box_width, width, channels, columns, column_weights)
                        first = image * height * width * channels + number * 9 * num_filters
                        start = 0
                        while start < num_filters:
                            start = min(start, num_filters - lanes)
                            cells, own_bias = z[first + start :], bias[number * num_filters + start :]
                            own_output = output[box * num_filters + start :]
                            weighted_sum(
                                cells,
                                num_filters,
                                rows,
                                columns,
                                row_weights,
                                column_weights,
                                own_bias,
                                own_output,
                                lanes,
                            )
                            start += lanes
                        box += 1

    return sample


@njit(inline="always")  # type: ignore[untyped-decorator]
def two_cells(centre: Any, size: Any, extent: int, stride: int, places: Any, weights: Any) -> None:
    """For each of a box's three taps along one axis, the two cells around it: their places in z and their weights.

    The weight of a cell outside the map is 0, and so are both weights of a tap that is far outside, infinite or NaN.
    """
    for tap in range(3):
        at = centre + np.float32(tap - 1) * size / np.float32(3)
        low = high = 0
        low_weight = high_weight = np.float32(0)
        if at > np.float32(-1) and at < np.float32(extent):  # NaN compares as false
            floor = np.floor(at)
            low = int(floor)
            high = low + 1
            high_weight = at - floor
            low_weight = np.float32(1) - high_weight
            if low < 0:
                low, low_weight = 0, np.float32(0)
            if high >= extent:
                high, high_weight = 0, np.float32(0)
        places[2 * tap], places[2 * tap + 1] = low * stride, high * stride
        weights[2 * tap], weights[2 * tap + 1] = low_weight, high_weight


@intrinsic(prefer_literal=True)  # type: ignore[untyped-decorator]
def weighted_sum(  # type: ignore[no-untyped-def]
    _context, z, num_filters, rows, columns, row_weights, column_weights, bias, output, lanes
) -> Any:
    """output[o] = bias[o] + sum over 6 rows and columns of weight * z[row + column + tap * num_filters + o], o < lanes.

    It is written in LLVM's vector types. LLVM's own vectoriser must assume that z and output overlap, and its code is
    half as fast.
    """
    floats = ir.VectorType(ir.FloatType(), lanes.literal_value)
    is_bf16 = z.dtype == types.uint16

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        def array(position: int) -> Any:
            return context.make_array(signature.args[position])(context, builder, values[position]).data

        def load(pointer: Any, kind: Any) -> Any:  # the alignment is that of an element, not of the vector
            return builder.load(builder.bitcast(pointer, kind.as_pointer()), align=2 if is_bf16 else 4)

        def element(pointer: Any, index: int) -> Any:
            return builder.load(builder.gep(pointer, [ir.Constant(ir.IntType(64), index)]))

        def splat(number: Any) -> Any:
            vector = builder.insert_element(ir.Constant(floats, ir.Undefined), number, ir.Constant(ir.IntType(32), 0))
            zeros = ir.Constant(ir.VectorType(ir.IntType(32), floats.count), None)
            return builder.shuffle_vector(vector, vector, zeros)

        def multiply_add(total: Any, one: Any, other: Any) -> Any:
            return builder.fadd(total, builder.fmul(one, other, flags=["contract"]), flags=["contract"])

        def cells(offset: Any) -> Any:
            pointer = builder.gep(array(0), [offset])
            if not is_bf16:
                return load(pointer, floats)
            bits = ir.VectorType(ir.IntType(32), floats.count)  # a bfloat16 is the upper half of a float32
            wide = builder.zext(load(pointer, ir.VectorType(ir.IntType(16), floats.count)), bits)
            return builder.bitcast(builder.shl(wide, ir.Constant(bits, [16] * floats.count)), floats)

        num_filters, places = values[1], [element(array(3), index) for index in range(6)]
        weights = [splat(element(array(5), index)) for index in range(6)]
        total = load(array(6), floats)
        for row in range(6):
            inner = ir.Constant(floats, None)
            for column in range(6):
                tap = builder.mul(num_filters, ir.Constant(ir.IntType(64), row // 2 * 3 + column // 2))
                offset = builder.add(builder.add(element(array(2), row), places[column]), tap)
                inner = multiply_add(inner, weights[column], cells(offset))
            total = multiply_add(total, splat(element(array(4), row)), inner)
        builder.store(total, builder.bitcast(array(7), floats.as_pointer()), align=4)
        return context.get_dummy_value()

    return types.void(z, num_filters, rows, columns, row_weights, column_weights, bias, output, lanes), generate


KERNELS = {lanes: kernel(lanes) for lanes in LANES}
