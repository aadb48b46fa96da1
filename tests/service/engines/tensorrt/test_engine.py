"""What the TensorRT engine says of itself and of its file; no GPU is needed."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest

from service.bundle import EngineFile, add_engine
from service.engines.protocol import EngineError
from service.engines.tensor_contract import OfferedTensor
from service.engines.tensorrt import engine as tensorrt_engine
from service.engines.tensorrt.engine import TensorrtEngine, offered
from tests.tiny_bundle import NUM_CANDIDATES, SIZE, write_tiny_bundle

FILE = EngineFile(flavour="tensorrt", version="10.8.0.43", compute_capability="sm_89", precision="fp16", max_batch=8)
SHAPES = {
    "images": (-1, SIZE, SIZE, 3),
    "boxes": (-1, NUM_CANDIDATES, 4),
    "scores": (-1, NUM_CANDIDATES),
    "labels": (-1, NUM_CANDIDATES),
}
TYPES = {"images": np.uint8, "boxes": np.float32, "scores": np.float32, "labels": np.int32}


def fake_tensorrt(shapes: dict[str, tuple[int, ...]]) -> Any:
    """TensorRT's module; the engines that it loads have tensors of these shapes."""
    names = list(shapes)
    loaded = SimpleNamespace(
        num_io_tensors=len(names),
        get_tensor_name=names.__getitem__,
        get_tensor_shape=shapes.__getitem__,
        get_tensor_dtype=lambda name: TYPES.get(name, np.float32),
        get_tensor_mode=lambda name: "input" if name == "images" else "output",
    )
    trt = Mock(nptype=lambda kind: kind, TensorIOMode=SimpleNamespace(INPUT="input"))
    trt.Runtime.return_value.deserialize_cuda_engine.return_value = loaded
    return trt


def open_fake(
    folder: Path, monkeypatch: pytest.MonkeyPatch, shapes: dict[str, tuple[int, ...]], num_streams: int | None = 1
) -> tuple[TensorrtEngine, Mock]:
    """An engine with tensors of these shapes, and what made its lanes."""
    make_lane = Mock()
    monkeypatch.setattr(tensorrt_engine, "Lane", make_lane)
    monkeypatch.setattr(tensorrt_engine, "import_module", lambda _: fake_tensorrt(shapes))
    for name in ("require_bindings", "runtime", "checked", "use_first_gpu", "register"):
        monkeypatch.setattr(tensorrt_engine, name, Mock())
    bundle = add_engine(write_tiny_bundle(folder / "tiny").path, "sm_89.engine", FILE, b"engine")
    return TensorrtEngine(bundle, "sm_89.engine", FILE, num_streams=num_streams), make_lane


@pytest.mark.parametrize(("wanted_streams", "num_streams"), [(None, 2), (1, 1), (2, 2), (16, 2)])
def test_it_has_a_stream_for_each_of_its_lanes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted_streams: int | None, num_streams: int
) -> None:
    engine, make_lane = open_fake(tmp_path, monkeypatch, SHAPES, wanted_streams)
    assert (engine.device, engine.precision, engine.num_threads) == ("sm_89", "fp16", 1)
    assert engine.num_streams == make_lane.call_count == num_streams


def test_inputs_and_outputs_are_separated_and_a_length_of_minus_one_is_not_fixed() -> None:
    trt = fake_tensorrt({"scores": SHAPES["scores"], "images": SHAPES["images"]})
    assert offered(trt, trt.Runtime().deserialize_cuda_engine()) == (
        [OfferedTensor("images", "uint8", (None, SIZE, SIZE, 3))],
        [OfferedTensor("scores", "float32", (None, NUM_CANDIDATES))],
    )


@pytest.mark.parametrize(
    "changes", [{"masks": (-1, NUM_CANDIDATES, 28, 28)}, {"scores": (-1, -1)}, {"images": (-1, 2 * SIZE, SIZE, 3)}]
)
def test_an_engine_of_another_model_is_refused_with_the_command_that_builds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, tuple[int, ...]]
) -> None:
    message = r"sm_89\.engine: it maps .*; build it again with `python -m export engine .* --target sm_89`"
    with pytest.raises(EngineError, match=message):
        open_fake(tmp_path, monkeypatch, {**SHAPES, **changes})
