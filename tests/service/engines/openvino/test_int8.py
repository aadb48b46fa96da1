"""OpenVINO runs a bundle's form in int8: if it is asked for, or if it is measured to be worthwhile."""

import logging
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from service.bundle import Bundle
from service.detection.golden import check_golden
from service.engines.open import open_engine
from service.engines.protocol import Engine, EngineError, describe
from tests.service.engines.openvino.int8 import STEP, write_int8_bundle
from tests.tiny_bundle import SIZE, write_tiny_bundle

pytestmark = pytest.mark.skipif(
    find_spec("openvino") is None, reason="OpenVINO is an optional engine: pip install .[cpu]"
)

GREY = np.full((1, SIZE, SIZE, 3), 101, np.uint8)  # no multiple of STEP


def best_score(engine: Engine) -> float:
    """The score of a grey block times 255: its brightness, as the engine computes it."""
    return float(255 * engine(GREY).scores.max())


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return write_int8_bundle(tmp_path / "tiny")


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Sets the speedup of int8 that an engine finds."""
    from service.engines.openvino import form

    def set_speedup(speedup: float) -> None:
        def fastest_seconds(runs: Sequence[Callable[[], object]], _rounds: int) -> list[float]:
            for run in runs:
                run()
            return [speedup * 1e-3, 1e-3]

        monkeypatch.setattr(form, "fastest_seconds", fastest_seconds)
        monkeypatch.setattr(form, "has_vnni", lambda: True)

    return set_speedup


@pytest.mark.parametrize("num_images", [1, 5])
def test_the_form_in_int8_runs_if_it_is_asked_for(bundle: Bundle, num_images: int) -> None:
    engine = open_engine(bundle, "openvino", precision="int8", num_threads=1)
    assert describe(engine) == "cpu, int8"
    check_golden(bundle, engine)
    found = engine(np.repeat(GREY, num_images, axis=0))
    assert found.scores.shape[0] == num_images
    np.testing.assert_allclose(255 * found.scores.max(axis=1), round(101 / STEP) * STEP, rtol=1e-2)
    engine.close()


@pytest.mark.parametrize(("speedup", "precision"), [(1.2, "int8"), (1.1, "other"), (0.5, "other")])
def test_auto_is_int8_if_it_is_worthwhile_on_this_cpu(
    bundle: Bundle,
    measured: Callable[[float], None],
    caplog: pytest.LogCaptureFixture,
    speedup: float,
    precision: str,
) -> None:
    measured(speedup)
    caplog.set_level(logging.INFO, "singleshot")
    engine = open_engine(bundle, "openvino", num_threads=1, num_streams=2)
    assert (engine.precision == "int8") == (precision == "int8")
    assert ("1.00 ms in int8, so it runs in " + engine.precision) in caplog.text
    if precision == "int8":
        assert best_score(engine) == pytest.approx(round(101 / STEP) * STEP, rel=1e-2)
    else:
        assert best_score(engine) == pytest.approx(101, rel=1e-2)
    engine.close()


def test_a_form_that_lost_more_than_its_bound_runs_only_if_it_is_asked_for(
    tmp_path: Path, measured: Callable[[float], None]
) -> None:
    bundle = write_int8_bundle(tmp_path / "tiny", loss=0.6)
    measured(2.0)
    engine = open_engine(bundle, "openvino", num_threads=1)
    assert engine.precision != "int8"
    engine.close()
    engine = open_engine(bundle, "openvino", precision="int8", num_threads=1)
    assert engine.precision == "int8"
    engine.close()


def test_auto_is_not_int8_on_a_cpu_that_clips_sums_of_int8(
    bundle: Bundle, measured: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    from service.engines.openvino import form

    measured(2.0)
    monkeypatch.setattr(form, "has_vnni", lambda: False)
    engine = open_engine(bundle, "openvino", num_threads=1)
    assert engine.precision != "int8"
    engine.close()


def test_fp32_does_not_use_the_form(bundle: Bundle, measured: Callable[[float], None]) -> None:
    measured(2.0)
    engine = open_engine(bundle, "openvino", precision="fp32", num_threads=1)
    assert engine.precision == "fp32"
    assert best_score(engine) == pytest.approx(101)
    engine.close()


def test_int8_without_a_form_is_refused_with_the_command_that_makes_it(tmp_path: Path) -> None:
    bundle = write_tiny_bundle(tmp_path / "plain")
    with pytest.raises(EngineError, match=r"has no model\.int8\.onnx.*python -m export quantize .*plain --data DIR"):
        open_engine(bundle, "openvino", precision="int8")


def test_the_speed_of_two_forms_is_the_fastest_of_several_turns() -> None:
    from service.engines.speed import fastest_seconds

    calls: list[str] = []
    seconds = fastest_seconds([lambda: calls.append("a"), lambda: calls.append("b")], 3)
    assert calls == ["a", "b"] * 4
    assert len(seconds) == 2
    assert min(seconds) >= 0
