"""--card: the file is checked, and `build` and `wrap` put it with its pictures into the bundle."""

import json
from pathlib import Path
from typing import Any

import pytest

from export.__main__ import main
from export.build import Built
from export.card import read_card
from export.errors import ExportError
from service.bundle import read_bundle
from service.card import MAX_EXAMPLE_BYTES
from tests.export.wrap import networks
from tests.export.wrap.networks import write_model, write_picture
from tests.tiny_bundle import golden_image, png

PICTURE = png(golden_image())


def write_card(folder: Path, **changes: Any) -> Path:
    """A card with an example picture in a folder of its own."""
    (folder / "pictures").mkdir()
    (folder / "pictures" / "one.png").write_bytes(PICTURE)
    content = {"description": "Finds rectangles.", "licence": "MIT", "examples": ["pictures/one.png"], **changes}
    path = folder / "card.json"
    path.write_text(json.dumps(content))
    return path


@pytest.mark.usefixtures("traced_once")
def test_build_puts_the_card_and_its_pictures_into_the_bundle(checkpoint: Path, tmp_path: Path, built: Built) -> None:
    assert built.bundle.manifest.card is None
    card = write_card(tmp_path)
    assert main(["build", str(checkpoint), "--out", str(tmp_path / "bundle"), "--card", str(card)]) == 0
    bundle = read_bundle(tmp_path / "bundle")
    assert bundle.manifest.card is not None
    assert (bundle.manifest.card.description, bundle.manifest.card.examples) == ("Finds rectangles.", ("one.png",))
    assert (bundle.path / "one.png").read_bytes() == PICTURE


def test_wrap_puts_the_card_and_its_pictures_into_the_bundle(tmp_path: Path) -> None:
    model = write_model(tmp_path / "model.onnx", networks.yolov8())
    golden = write_picture(tmp_path / "golden.png", 80, 100)
    paths = [str(model), "--golden", str(golden), "--out", str(tmp_path / "bundle")]
    card = write_card(tmp_path, link="https://example.org/model")
    assert main(["wrap", *paths, "--classes", "a,b,c", "--card", str(card)]) == 0
    bundle = read_bundle(tmp_path / "bundle")
    assert bundle.manifest.card is not None
    assert bundle.manifest.card.link == "https://example.org/model"
    assert [path.name for path in bundle.example_paths] == ["one.png"]


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"description": None}, "card.json: description: Input should be a valid string; a card has the form"),
        ({"licence": ""}, "card.json: licence: String should have at least 1 character"),
        ({"examples": ["pictures/one.png", "one.png"]}, "the bundle would have two files one.png; rename the example"),
        ({"examples": ["golden.png"]}, "the bundle would have two files golden.png"),
        ({"examples": ["pictures/text.png"]}, "text.png: not an image that this server reads"),
        ({"examples": ["pictures/large.png"]}, "large.png: an example picture of 1.0 MB; make it smaller than 1 MB"),
    ],
)
def test_a_card_that_cannot_be_used_is_refused(tmp_path: Path, changes: dict[str, Any], fault: str) -> None:
    card = write_card(tmp_path, **changes)
    (tmp_path / "pictures" / "text.png").write_text("no picture")
    (tmp_path / "pictures" / "large.png").write_bytes(PICTURE + bytes(MAX_EXAMPLE_BYTES))
    with pytest.raises(ExportError) as error:
        read_card(card)
    assert fault in str(error.value)


def test_a_card_or_picture_that_is_missing_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = write_card(tmp_path, examples=["pictures/two.png"])
    for card, name in ((tmp_path / "other.json", "other.json"), (missing, "two.png")):
        options = ["--golden", "golden.png", "--out", str(tmp_path / "bundle"), "--card", str(card)]
        assert main(["wrap", "model.onnx", *options]) == 1
        assert name in capsys.readouterr().err
