"""`python -m export quantize` gives layers back until little accuracy is lost, and changes a bundle only then."""

import math
import shutil
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import pytest

from export.__main__ import main
from export.build import Built
from export.errors import ExportError
from export.quantize import choose_float_layers
from service.bundle import Golden, read_bundle, write_bundle
from service.engines.open import open_engine
from tests.export.nncf import needs_nncf
from tests.models.pictures import write_voc

LAYERS = ("first", "second", "third")
COSTS = {"first": 0.1, "second": 2.0, "third": 0.3}  # points that a layer in int8 loses


def loss(float_layers: Sequence[str]) -> float:
    return sum(cost for layer, cost in COSTS.items() if layer not in float_layers)


def rank(float_layers: Sequence[str]) -> int:
    return round(10 * loss(float_layers))


@pytest.mark.parametrize(
    ("max_loss", "expected"), [(2.5, ()), (0.5, ("second",)), (0.4, ("second",)), (0.2, ("second", "third"))]
)
def test_the_layers_that_change_most_are_given_back_until_the_loss_is_allowed(
    max_loss: float, expected: tuple[str, ...]
) -> None:
    chosen, lost = choose_float_layers(LAYERS, loss=loss, rank=rank, max_loss=max_loss)
    assert chosen == expected
    assert lost == pytest.approx(loss(expected))


def test_without_a_loss_that_is_allowed_nothing_is_chosen() -> None:
    with pytest.raises(ExportError, match=r"0\.10 points of AP50:95 are lost; 0 points are allowed.*--max-loss"):
        choose_float_layers(LAYERS, loss=loss, rank=rank, max_loss=0)


def test_a_form_that_misses_golden_detections_is_never_chosen(capsys: pytest.CaptureFixture[str]) -> None:
    def misses(float_layers: Sequence[str]) -> float:
        return 0.0 if "second" in float_layers else math.inf

    assert choose_float_layers(LAYERS, loss=misses, rank=rank, max_loss=0.5) == (("second",), 0.0)
    assert "all 3 layers in int8: it misses golden detections" in capsys.readouterr().out


@pytest.fixture
def command(built: Built, tmp_path: Path) -> list[str]:
    """The command for a copy of a bundle, and for pictures."""
    shutil.copytree(built.bundle.path, tmp_path / "bundle")
    tree = write_voc(tmp_path / "rectangles", {"train": 8})
    return ["quantize", str(tmp_path / "bundle"), "--data", str(tree), "--images", "8"]


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--max-loss", "-1"], "--max-loss is -1; it must be at least 0"),
        (["--max-loss", "nan"], "--max-loss is nan; it must be at least 0"),
        (["--images", "0"], "--images is 0; it must be at least 1"),
        (["--split", "nothing"], "nothing"),
    ],
)
def test_a_bad_option_is_refused_in_one_line(
    command: list[str], capsys: pytest.CaptureFixture[str], options: list[str], problem: str
) -> None:
    assert main([*command, *options]) == 1
    error = capsys.readouterr().err
    assert problem in error
    assert error.count("\n") == 1


def test_without_nncf_the_command_names_the_extra_that_has_it(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    if find_spec("nncf"):
        pytest.skip("NNCF is installed")
    assert main(command) == 1
    assert "install it with `pip install '.[int8]'`" in capsys.readouterr().err
    assert read_bundle(Path(command[1])).manifest.int8 is None


@needs_nncf
def test_the_command_adds_a_form_and_replaces_it(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    bundle = read_bundle(Path(command[1]))
    files = {name: (bundle.path / name).read_bytes() for name in bundle.manifest.files}
    golden = Golden(detections=())  # with random weights int8 misses some
    write_bundle(bundle.path, bundle.manifest.model_copy(update={"golden": golden}), files)
    for max_loss in (100, 99):
        assert main([*command, "--max-loss", str(max_loss)]) == 0
        bundle = read_bundle(bundle.path)
        form = bundle.manifest.int8
        assert form is not None
        assert (form.data_set, form.num_images, form.max_loss) == ("rectangles/train", 2, max_loss)
        assert (form.float_layers, form.is_accurate) == ((), True)
        assert f"{bundle.int8_model_path}: " in capsys.readouterr().out
    engine = open_engine(bundle, "openvino", precision="int8", num_threads=1)
    assert engine.precision == "int8"
    engine.close()
