"""The stand-in for TensorRT on a GPU, here with torch on the CPU and tensors at addresses of this process."""

import ctypes
import sys
from contextlib import closing, nullcontext
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray

from comparison.gpu.images import check_difference, golden_images
from comparison.gpu.kernel.cases import Case, reference
from comparison.gpu.stand_in import tensorrt as stand_in
from comparison.gpu.stand_in.onnx_torch import OnnxTorch
from export.to_engine import network_of
from service.bundle import Bundle, read_bundle
from service.engines.open import open_engine
from service.engines.protocol import Candidates
from service.settings import DEFAULT_BUNDLES

BATCH = 2


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return read_bundle(DEFAULT_BUNDLES / "bccd-passd-320")


@pytest.fixture(scope="module")
def wanted(bundle: Bundle) -> Candidates:
    with closing(open_engine(bundle, "onnx", num_threads=1)) as engine:
        return engine(golden_images(bundle, BATCH))


class Plugin:
    """Computes the offset convolution at the addresses that TensorRT would give."""

    def attach_to_context(self, context: object) -> "Plugin":  # noqa: ARG002
        return self

    def enqueue(self, inputs: list[Any], outputs: list[Any], read: list[int], written: list[int], *rest: int) -> None:  # noqa: ARG002
        z, geometry, bias = (
            at(pointer, tensor.dims, tensor.type) for pointer, tensor in zip(read, inputs, strict=True)
        )
        y = reference(Case(z, geometry, bias), dtype=torch.float32)
        at(written[0], tuple(y.shape), stand_in.DataType.FLOAT).copy_(y)


class Creator:
    """Makes the plugin, if it gets the fields of the real one."""

    name = "OffsetConv"

    def create_plugin(self, name: str, fields: Any, phase: object) -> Plugin:  # noqa: ARG002
        assert [field.name for field in fields] == ["boxes", "cubin"]
        assert fields[0].data.tolist() == [3]
        assert fields[1].data.tobytes() == b"machine code"
        return Plugin()


def at(address: int, shape: tuple[int, ...], kind: stand_in.DataType) -> torch.Tensor:
    """The memory at an address as a tensor."""
    dtype = np.dtype(stand_in.NUMPY_TYPES[kind])
    memory = (ctypes.c_uint8 * (int(np.prod(shape)) * dtype.itemsize)).from_address(address)
    return torch.from_numpy(np.frombuffer(memory, dtype).reshape(shape))


@pytest.fixture
def tensorrt(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(stand_in, "DEVICE", "cpu")
    monkeypatch.setattr(stand_in, "memory_at", at)
    monkeypatch.setattr(stand_in, "on_stream", lambda stream: nullcontext())  # noqa: ARG005
    monkeypatch.setattr(stand_in.Registry, "creators", {})
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    return stand_in.install(b"machine code")


def test_the_graph_runner_computes_what_onnx_runtime_computes(bundle: Bundle, wanted: Candidates) -> None:
    network, _ = network_of(bundle, "fp32")
    graph = OnnxTorch(onnx.load_from_string(network), "cpu")
    images = torch.from_numpy(golden_images(bundle, BATCH))
    with torch.inference_mode():
        found = graph(images, lambda z, geometry, bias, boxes: reference(Case(z, geometry, bias), boxes, torch.float32))
    check_difference(bundle, "fp32", wanted, Candidates(*(tensor.numpy() for tensor in found)), "torch")


def test_an_engine_of_the_stand_in_reads_and_writes_at_the_addresses_that_it_gets(
    tensorrt: Any, bundle: Bundle, wanted: Candidates
) -> None:
    tensorrt.get_plugin_registry().register_creator(Creator(), "singleshot")
    network, num_plugins = network_of(bundle, "fp32")
    engine = tensorrt.Runtime(tensorrt.Logger(tensorrt.Logger.ERROR)).deserialize_cuda_engine(network)
    assert len(engine.plugins) == num_plugins
    arrays: dict[str, NDArray[Any]] = {}
    context = engine.create_execution_context(tensorrt.ExecutionContextAllocationStrategy.USER_MANAGED)
    for name in map(engine.get_tensor_name, range(engine.num_io_tensors)):
        shape = tuple(BATCH if length == -1 else length for length in engine.get_tensor_shape(name))
        arrays[name] = np.zeros(shape, tensorrt.nptype(engine.get_tensor_dtype(name)))
        assert (engine.get_tensor_mode(name) == tensorrt.TensorIOMode.INPUT) == (name == "images")
        assert context.set_tensor_address(name, arrays[name].ctypes.data)
    arrays["images"][:] = golden_images(bundle, BATCH)
    assert context.set_input_shape("images", arrays["images"].shape)
    assert context.execute_async_v3(0)
    check_difference(
        bundle, "fp32", wanted, Candidates(arrays["boxes"], arrays["scores"], arrays["labels"]), "stand-in"
    )
