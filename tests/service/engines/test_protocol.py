"""Every engine: what it says of itself, and that all of them give the same candidates."""

from pathlib import Path

import numpy as np
import pytest

from service.bundle import Bundle
from service.engines.open import open_engine
from service.engines.protocol import Engine, EngineError, describe
from tests.fake_engine import FakeEngine
from tests.tiny_bundle import golden_image, write_tiny_bundle


def test_an_engine_is_described_by_device_and_precision() -> None:
    assert describe(FakeEngine()) == "cpu, fp32"


def test_the_engines_agree_at_every_batch_size(tiny_bundle: Bundle, tiny_engine: Engine) -> None:
    pytest.importorskip("openvino")
    openvino = open_engine(tiny_bundle, "openvino", precision="fp32", num_threads=1)
    images = np.random.default_rng(0).integers(0, 256, (5, 64, 64, 3), dtype=np.uint8)
    for size in (1, 5, 2):
        ours, theirs = tiny_engine(images[:size]), openvino(images[:size])
        np.testing.assert_allclose(theirs.scores, ours.scores, atol=1e-5)
        assert theirs.boxes.shape == (size, 20, 4)
        assert theirs.labels.dtype == np.int32
    openvino.close()


def test_answers_do_not_change_when_the_engine_runs_again(tiny_bundle: Bundle) -> None:
    for name in ("onnx", "openvino"):
        engine = open_engine(tiny_bundle, name, num_threads=1)
        first = engine(golden_image()[None])
        kept = first.scores.copy()
        engine(np.zeros((1, 64, 64, 3), np.uint8))
        assert (first.scores == kept).all()
        engine.close()


def test_a_file_that_is_not_a_model_is_refused_with_a_remedy(tmp_path: Path) -> None:
    bundle = write_tiny_bundle(tmp_path / "broken")
    bundle.model_path.write_bytes(b"no model")
    for name in ("onnx", "openvino"):
        with pytest.raises(EngineError, match=r"model\.onnx: .* cannot load it: .*export the bundle again"):
            open_engine(bundle, name)
