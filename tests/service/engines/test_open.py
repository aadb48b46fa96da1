"""How many streams an engine is opened with, how they share the cores, and which models are refused."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import onnx
import pytest
from onnx import helper

from service.bundle import GOLDEN, MODEL, Bundle, write_bundle
from service.detection.golden import check_golden
from service.engines import onnx_runtime, open
from service.engines.open import open_engine
from service.engines.protocol import EngineError, EngineName
from tests.tiny_bundle import tiny_model, write_tiny_bundle

needs_openvino = pytest.mark.skipif(
    find_spec("openvino") is None, reason="OpenVINO is an optional engine: pip install .[cpu]"
)


@pytest.fixture
def eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open, "num_cores", lambda: 8)
    monkeypatch.setattr(onnx_runtime, "num_cores", lambda: 8)


@pytest.mark.usefixtures("eight_cores")
@pytest.mark.parametrize(
    ("wanted_streams", "wanted_threads", "num_streams", "num_threads"),
    [
        (None, None, 8, 1),
        (None, 2, 8, 2),
        (1, None, 1, 8),
        (2, None, 2, 4),
        (3, None, 3, 2),
        (16, None, 16, 1),
        (2, 3, 2, 3),
    ],
)
def test_streams_share_the_cores_evenly_by_default(
    tiny_bundle: Bundle,
    wanted_streams: int | None,
    wanted_threads: int | None,
    num_streams: int,
    num_threads: int,
) -> None:
    engine = open_engine(tiny_bundle, "onnx", num_streams=wanted_streams, num_threads=wanted_threads)
    assert (engine.device, engine.precision) == ("cpu", "fp32")
    assert (engine.num_streams, engine.num_threads) == (num_streams, num_threads)
    engine.close()


@pytest.mark.usefixtures("eight_cores")
def test_an_engine_takes_one_call_at_a_time_by_default_on_all_cores(tiny_bundle: Bundle) -> None:
    engine = open_engine(tiny_bundle, "onnx")
    assert (engine.num_streams, engine.num_threads) == (1, 8)
    engine.close()


def test_fp16_on_a_cpu_is_refused_with_a_remedy(tiny_bundle: Bundle) -> None:
    for name in ("onnx", "openvino"):
        with pytest.raises(EngineError, match=r"only engines on a GPU compute in fp16; choose `--precision auto`"):
            open_engine(tiny_bundle, name, precision="fp16")


@pytest.mark.parametrize(
    ("name", "package", "extra"),
    [("onnx", "onnxruntime", "cpu"), ("onnx-cuda", "onnxruntime", "gpu"), ("openvino", "openvino", "cpu")],
)
def test_without_its_package_an_engine_s_error_names_the_extra_that_has_it(
    tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch, name: EngineName, package: str, extra: str
) -> None:
    monkeypatch.setattr(open, "find_spec", lambda _name: None)
    with pytest.raises(
        EngineError, match=rf"{package} is not installed; install it with `pip install '\.\[{extra}\]'`"
    ):
        open_engine(tiny_bundle, name)


def test_bf16_in_onnx_runtime_is_refused_with_a_remedy(tiny_bundle: Bundle) -> None:
    with pytest.raises(EngineError, match=r"fp32 alone; choose `--precision fp32`, or `--engine openvino`"):
        open_engine(tiny_bundle, "onnx", precision="bf16")


@pytest.mark.parametrize("name", ["onnx", "onnx-cuda", "tensorrt"])
def test_int8_in_other_engines_than_openvino_is_refused_with_a_remedy(tiny_bundle: Bundle, name: EngineName) -> None:
    with pytest.raises(EngineError, match=r"only OpenVINO computes in int8; choose `--engine openvino`"):
        open_engine(tiny_bundle, name, precision="int8")


def rename_input(model: onnx.ModelProto) -> None:
    model.graph.input[0].name = model.graph.node[0].input[0] = "x"


def drop_output(model: onnx.ModelProto) -> None:
    del model.graph.output[2]


def widen_labels(model: onnx.ModelProto) -> None:
    node = next(node for node in model.graph.node if node.output[0] == "labels")
    node.attribute[0].i = onnx.TensorProto.INT64
    model.graph.output[2].type.tensor_type.elem_type = onnx.TensorProto.INT64


def add_output(model: onnx.ModelProto) -> None:
    model.graph.output.append(helper.make_tensor_value_info("means", onnx.TensorProto.FLOAT, ["B", 2, 7, 7]))


def with_model(path: Path, model: onnx.ModelProto) -> Bundle:
    bundle = write_tiny_bundle(path)
    files = {MODEL: model.SerializeToString(), GOLDEN: bundle.golden_path.read_bytes()}
    return write_bundle(path, bundle.manifest, files)


@pytest.mark.parametrize("name", ["onnx", pytest.param("openvino", marks=needs_openvino)])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (rename_input, r"it maps x uint8 \[\?, 64, 64, 3\] to boxes float32"),
        (drop_output, r"to boxes float32 \[\?, 20, 4\], scores float32 \[\?, 20\]; a bundle's model maps"),
        (widen_labels, r"labels (int64|i64) \[\?, 20\]; a bundle's model maps .* labels int32 \[B, 20\]"),
    ],
)
def test_a_model_with_other_tensors_than_a_bundle_s_is_refused(
    tmp_path: Path, name: EngineName, change: Callable[[onnx.ModelProto], None], message: str
) -> None:
    model = tiny_model()
    change(model)
    with pytest.raises(EngineError, match=rf"model\.onnx: .*{message}.*; export the bundle again"):
        open_engine(with_model(tmp_path / "foreign", model), name, num_threads=1)


@pytest.mark.parametrize("name", ["onnx", pytest.param("openvino", marks=needs_openvino)])
def test_a_model_with_one_more_output_is_served(tmp_path: Path, name: EngineName) -> None:
    model = tiny_model()
    add_output(model)
    bundle = with_model(tmp_path / "more", model)
    engine = open_engine(bundle, name, precision="fp32", num_threads=1)
    check_golden(bundle, engine)
    engine.close()
