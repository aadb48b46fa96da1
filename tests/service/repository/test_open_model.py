"""The engine that a bundle is served with: the best one that opens and finds the golden detections."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from service.api.app import create_app
from service.bundle import Bundle, BundleError, Int8Form, add_int8
from service.engines import open as opening
from service.engines.open import engine_names, open_engine
from service.engines.protocol import Candidates, DeviceLostError, Engine, EngineError, EngineName, Precision
from service.repository.served_model import ServedModel
from tests.fake_engine import FakeEngine
from tests.service.served_app import settings
from tests.tiny_bundle import write_tiny_bundle


class Blind(FakeEngine):
    """It finds no golden detection."""

    def __init__(self) -> None:
        self.is_closed = False

    def close(self) -> None:
        self.is_closed = True


class Raising(FakeEngine):
    """Each call raises `error`."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __call__(self, images: NDArray[np.uint8]) -> Candidates:  # noqa: ARG002
        raise self._error


@pytest.fixture
def with_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "has_gpu", lambda: True)


def served(bundle: Bundle, engines: Mapping[EngineName, Engine | Exception], name: EngineName = "auto") -> ServedModel:
    """The model, if these engines open, or raise these errors, in place of the real ones."""

    def open_one(bundle: Bundle, name: EngineName, **_: object) -> Engine:
        found = engines.get(name)
        if isinstance(found, Exception):
            raise found
        if found is None:
            found = open_engine(bundle, "onnx", num_threads=1)
            found.name = name
        return found

    app = create_app(settings(bundle.path).model_copy(update={"engine": name}), open_one)
    (model,) = app.state.server.repository.models
    assert isinstance(model, ServedModel)
    model.engine.close()
    return model


def test_the_order_of_engines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "find_spec", lambda _: True)
    monkeypatch.setattr(opening, "has_gpu", lambda: True)
    assert engine_names("auto") == ["tensorrt", "onnx-cuda", "openvino"]
    monkeypatch.setattr(opening, "has_gpu", lambda: False)
    assert engine_names("auto") == ["openvino"]
    monkeypatch.setattr(opening, "find_spec", lambda _: None)
    assert engine_names("auto") == ["onnx"]
    assert engine_names("tensorrt") == ["tensorrt"]


@pytest.mark.usefixtures("with_gpu")
def test_the_best_engine_that_opens_serves(tiny_bundle: Bundle) -> None:
    assert served(tiny_bundle, {}).engine.name == "tensorrt"
    model = served(tiny_bundle, {"tensorrt": EngineError("there is no engine")})
    assert (model.engine.name, model.engine_note) == ("onnx-cuda", "there is no engine")


@pytest.mark.usefixtures("with_gpu")
def test_an_engine_that_misses_the_golden_detections_is_closed_and_the_next_one_serves(tiny_bundle: Bundle) -> None:
    blind = Blind()
    model = served(tiny_bundle, {"tensorrt": blind})
    assert model.engine.name == "onnx-cuda"
    assert "misses 2 of 2 detections" in model.engine_note
    assert blind.is_closed


@pytest.mark.usefixtures("with_gpu")
@pytest.mark.parametrize(
    "error", [DeviceLostError("the GPU is lost"), TypeError("the GPU is lost"), MemoryError("the GPU is lost")]
)
def test_if_no_engine_of_the_gpu_works_the_log_and_the_model_say_why(
    tiny_bundle: Bundle, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    model = served(tiny_bundle, {"tensorrt": EngineError("there is no engine"), "onnx-cuda": Raising(error)})
    assert model.engine.name in ("openvino", "onnx")
    assert model.engine_note.startswith("a GPU of this machine is idle: there is no engine; ")
    assert "the GPU is lost" in model.engine_note
    assert f"tiny: {model.engine_note}" in [record.getMessage() for record in caplog.records]


@pytest.mark.usefixtures("with_gpu")
def test_a_bundle_that_no_engine_can_run_is_refused(tiny_bundle: Bundle) -> None:
    blind: dict[EngineName, Engine | Exception] = {
        "tensorrt": Blind(), "onnx-cuda": Blind(), "openvino": Blind(), "onnx": Blind()
    }  # fmt: skip
    with pytest.raises(BundleError, match="misses 2 of 2 detections"):
        served(tiny_bundle, blind)


@pytest.mark.usefixtures("with_gpu")
def test_if_the_last_engine_cannot_open_either_the_error_has_all_reasons(tiny_bundle: Bundle) -> None:
    no: dict[EngineName, Engine | Exception] = {
        "tensorrt": EngineError("there is no engine"), "onnx-cuda": EngineError("there is no CUDA"),
        "openvino": EngineError("a CPU has no fp16"), "onnx": EngineError("a CPU has no fp16"),
    }  # fmt: skip
    with pytest.raises(EngineError, match="a CPU has no fp16; there is no engine; there is no CUDA"):
        served(tiny_bundle, no)


@pytest.mark.usefixtures("with_gpu")
def test_an_engine_that_was_asked_for_must_open(tiny_bundle: Bundle) -> None:
    with pytest.raises(EngineError, match="there is no engine"):
        served(tiny_bundle, {"tensorrt": EngineError("there is no engine")}, name="tensorrt")


class BlindInInt8(Blind):
    precision = "int8"


@pytest.mark.parametrize("precision", ["auto", "int8"])
def test_int8_that_misses_the_golden_detections_is_not_used_unless_it_was_asked_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, precision: Precision
) -> None:
    bundle = write_tiny_bundle(tmp_path / "tiny")
    bundle = add_int8(bundle.path, Int8Form(data_set="a/train", num_images=1, max_loss=0.5, loss=0), b"form")
    blind = BlindInInt8()

    def open_one(bundle: Bundle, *_: object, **__: object) -> Engine:
        return blind if bundle.manifest.int8 else open_engine(bundle, "onnx", num_threads=1)

    changes = {"engine": "openvino", "precision": precision}
    if precision == "int8":
        with pytest.raises(BundleError, match="misses 2 of 2 detections"):
            create_app(settings(bundle.path).model_copy(update=changes), open_one)
    else:
        app = create_app(settings(bundle.path).model_copy(update=changes), open_one)
        (model,) = app.state.server.repository.models
        assert model.engine.precision == "fp32"
        assert model.manifest == bundle.manifest
        assert "it is opened again without int8" in caplog.text
        model.engine.close()
    assert blind.is_closed
