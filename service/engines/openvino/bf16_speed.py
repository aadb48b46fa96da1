"""How much faster this CPU computes a network in bf16 than in fp32."""

from functools import partial

import numpy as np
import openvino
import openvino.opset15 as ov

from service.engines.openvino.model import compile_model
from service.engines.speed import fastest_seconds

CHANNELS, SIDE = 128, 20  # of the feature map
NUM_ROUNDS = 7


def bf16_speedup() -> float:
    """The time of a small network in fp32 divided by its time in bf16, on one thread; takes a tenth of a second.

    Matrix units (AMX) make bf16 three times as fast, and AMD's processors with the bf16 instructions of AVX-512 twice.
    Other processors with these instructions gain nothing, so the names of the instructions do not tell.
    """
    network, image = small_network(), np.ones((1, CHANNELS, SIDE, SIDE), np.float32)
    requests = [compile_model(network, precision, 1).create_infer_request() for precision in ("fp32", "bf16")]
    fp32_seconds, bf16_seconds = fastest_seconds([partial(request.infer, [image]) for request in requests], NUM_ROUNDS)
    return fp32_seconds / bf16_seconds


def small_network() -> openvino.Model:
    """The kinds of convolutions that detectors have: 1×1, depthwise and 3×3."""
    random = np.random.default_rng(0)

    def filters(*shape: int) -> openvino.Node:
        return ov.constant(0.1 * random.standard_normal(shape, np.float32))

    features = ov.parameter([1, CHANNELS, SIDE, SIDE], np.float32)
    plain, padded = ([1, 1], [0, 0], [0, 0], [1, 1]), ([1, 1], [1, 1], [1, 1], [1, 1])
    value = ov.relu(ov.convolution(features, filters(CHANNELS, CHANNELS, 1, 1), *plain))
    value = ov.relu(ov.group_convolution(value, filters(CHANNELS, 1, 1, 3, 3), *padded))
    value = ov.relu(ov.convolution(value, filters(CHANNELS, CHANNELS, 3, 3), *padded))
    return openvino.Model([ov.result(value)], [features], "small network")
