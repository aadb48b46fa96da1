"""How many streams an engine is opened with, and how they share the cores."""

from pathlib import Path
from unittest.mock import Mock

import pytest

from service.bundle import Bundle, EngineFile, add_engine
from service.engines import onnx_runtime, open
from service.engines.engine import EngineName
from service.engines.open import open_engine
from service.engines.tensorrt import engine as tensorrt_engine
from service.engines.tensorrt.engine import TensorrtEngine
from tests.tiny_bundle import write_tiny_bundle

FILE = EngineFile(flavour="tensorrt", version="10.8.0.43", compute_capability="sm_89", precision="fp16", max_batch=8)


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
def test_streams_share_the_cores_evenly_unless_told(
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
@pytest.mark.parametrize(("name", "num_streams", "num_threads"), [("onnx", 1, None), ("onnx-cuda", 1, 1)])
def test_an_engine_takes_one_call_at_a_time_by_default(
    tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch, name: EngineName, num_streams: int, num_threads: int | None
) -> None:
    make = Mock()
    monkeypatch.setattr(onnx_runtime, "OnnxEngine", make)
    open_engine(tiny_bundle, name)
    assert make.call_args.kwargs["num_streams"] == num_streams
    assert make.call_args.kwargs["num_threads"] == num_threads  # None: all cores


@pytest.mark.usefixtures("eight_cores")
@pytest.mark.parametrize(("wanted_streams", "num_streams"), [(None, 1), (2, 2)])
def test_on_a_gpu_onnx_runtime_takes_one_call_at_a_time_and_no_share_of_the_cores(
    tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch, wanted_streams: int | None, num_streams: int
) -> None:
    make = Mock()
    monkeypatch.setattr(onnx_runtime, "OnnxEngine", make)
    open_engine(tiny_bundle, "onnx-cuda", num_streams=wanted_streams)
    make.assert_called_once_with(tiny_bundle, device="cuda", num_streams=num_streams, num_threads=1)


@pytest.mark.parametrize(("wanted_streams", "num_streams"), [(None, 2), (1, 1), (2, 2), (16, 2)])
def test_tensorrt_has_a_stream_for_each_of_its_lanes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted_streams: int | None, num_streams: int
) -> None:
    make_lane = Mock()
    monkeypatch.setattr(tensorrt_engine, "_Lane", make_lane)
    for name in ("require_bindings", "runtime", "checked", "import_module", "register", "tensors_of"):
        monkeypatch.setattr(tensorrt_engine, name, Mock())
    bundle = add_engine(write_tiny_bundle(tmp_path / "tiny").path, "sm_89.engine", FILE, b"engine")
    engine = TensorrtEngine(bundle, "sm_89.engine", FILE, num_streams=wanted_streams)
    assert (engine.device, engine.precision, engine.num_threads) == ("sm_89", "fp16", 1)
    assert engine.num_streams == make_lane.call_count == num_streams
