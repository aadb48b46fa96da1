"""The plugin in the stand-in of TensorRT: its fields, its refusals, and what it says to a builder."""

import logging
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from service.engines.tensorrt.cuda import CudaError
from service.engines.tensorrt.kernel import compile_kernel
from service.engines.tensorrt.plugin import NAMESPACE, OPERATOR, VERSION, register
from tests.service.engines.tensorrt.test_kernel import BOXES, FILTERS, HEIGHT, WIDTH, oracle, random_inputs
from tests.stand_in import tensorrt
from tests.stand_in.cuda import HostCuda
from tests.stand_in.offset_conv import offset_conv
from tests.stand_in.tensorrt_types import (
    DataType,
    Dims,
    PluginField,
    PluginFieldCollection,
    PluginFieldType,
    PluginTensorDesc,
    TensorRTPhase,
    get_plugin_registry,
    refused,
)

KINDS = {np.float32: DataType.FLOAT, np.float16: DataType.HALF}

pytestmark = pytest.mark.usefixtures("host_cuda")


def creator() -> Any:
    return get_plugin_registry().get_creator(OPERATOR, VERSION, NAMESPACE)


def fields(**values: NDArray[Any]) -> PluginFieldCollection:
    kinds = {"boxes": PluginFieldType.INT32, "cubin": PluginFieldType.INT8}
    return PluginFieldCollection(PluginField(name, value, kinds[name]) for name, value in values.items())


def test_it_is_registered_once_and_builds_with_the_latest_machine_code() -> None:
    register(tensorrt, b"first")
    first = creator()
    register(tensorrt, b"second")
    assert creator() is first
    plugin = first.create_plugin("node", fields(boxes=np.array([3], np.int32)), TensorRTPhase.BUILD)
    assert (plugin.boxes, plugin.cubin) == (3, b"second")


def test_a_refused_registration_is_an_error_and_can_be_tried_again() -> None:
    refused.add("register_creator")
    with pytest.raises(CudaError, match="TensorRT refused the plugin OffsetConv"):
        register(tensorrt)
    refused.clear()
    register(tensorrt)
    assert creator()


def test_the_fields_make_the_same_plugin_again() -> None:
    register(tensorrt, b"\x7fELF\xff\x00")
    made = creator().create_plugin("node", fields(boxes=np.array([5], np.int32)), TensorRTPhase.BUILD)
    register(tensorrt)  # a server has no machine code but the engine's
    again = creator().create_plugin("node", made.get_fields_to_serialize(), TensorRTPhase.RUNTIME)
    copied = again.clone()
    for plugin in (again, copied, again.attach_to_context(None)):
        assert (plugin.boxes, plugin.cubin) == (5, b"\x7fELF\xff\x00")


def test_a_node_without_its_attribute_makes_no_plugin(caplog: pytest.LogCaptureFixture) -> None:
    register(tensorrt)
    with caplog.at_level(logging.ERROR):
        assert creator().create_plugin("node 7", fields(), TensorRTPhase.BUILD) is None
    assert "node 7: no plugin can be made from this node" in caplog.text


@pytest.mark.parametrize("kind", [np.float32, np.float16])
def test_each_tensor_reaches_its_place_in_the_kernel(host_cuda: HostCuda, kind: type) -> None:
    z, geometry, bias = random_inputs(kind)
    register(tensorrt, compile_kernel("sm_89"))
    plugin = creator().create_plugin("node", fields(boxes=np.array([BOXES], np.int32)), TensorRTPhase.BUILD)
    y = np.empty((len(z), BOXES * FILTERS, HEIGHT, WIDTH), np.float32)
    pointers = [host_cuda.cudaMalloc(array.nbytes) for array in (z, geometry, bias, y)]
    for pointer, array in zip(pointers, (z, geometry, bias), strict=False):
        host_cuda.memory.array("device", pointer, array.shape, array.dtype)[:] = array
    stream = host_cuda.cudaStreamCreateWithFlags(0)
    descs = [PluginTensorDesc(Dims(array.shape), KINDS[array.dtype.type]) for array in (z, geometry, bias, y)]
    plugin.enqueue(descs[:3], descs[3:], pointers[:3], pointers[3:], 0, int(stream))
    host_cuda.cudaStreamSynchronize(stream)
    found = host_cuda.memory.array("device", pointers[-1], y.shape, y.dtype)
    np.testing.assert_allclose(found, oracle(z, geometry, bias), atol=1e-5)
    host_cuda.cudaStreamDestroy(stream)
    for pointer in pointers:
        host_cuda.cudaFree(pointer)


@pytest.mark.parametrize("value", [np.inf, np.nan, -np.inf, 3e38, 2.0**63])
def test_the_stand_in_s_kernel_reads_nothing_at_huge_infinite_or_nan_positions(value: float) -> None:
    z, geometry, bias = random_inputs(np.float32)
    geometry[:, ::3, :, ::2] = value
    with np.errstate(invalid="ignore", over="ignore"):
        np.testing.assert_allclose(offset_conv(z, geometry, bias, BOXES), oracle(z, geometry, bias), atol=1e-5)
