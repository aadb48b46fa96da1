"""`python -m export evaluate`: a bundle and the server that serves it give the same table and files."""

import json
from pathlib import Path

import pytest
from PIL import Image

from export.__main__ import main
from service.api.app import create_app
from tests.models.pictures import annotation
from tests.service.live_server import live_server
from tests.service.served_app import settings
from tests.tiny_bundle import golden_image, write_tiny_bundle


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A Pascal VOC tree with the golden image of the tiny bundle, and one object more than it shows."""
    root = tmp_path / "blocks"
    for folder in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (root / folder).mkdir(parents=True)
    Image.fromarray(golden_image()).save(root / "JPEGImages" / "a.png")
    objects = [("red", (17, 17, 32, 32)), ("green", (41, 41, 56, 56)), ("green", (1, 1, 12, 12))]
    (root / "Annotations" / "a.xml").write_text(annotation(64, 64, [(name, box) for name, box in objects]))
    (root / "ImageSets" / "Main" / "test.txt").write_text("a\n")
    return root


def test_a_bundle_and_its_server_are_evaluated_alike(
    tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = write_tiny_bundle(tmp_path / "tiny").path
    files: dict[str, str] = {}
    tables: list[list[str]] = []

    def run(target: str) -> None:
        out = tmp_path / "out.json"
        command = ["evaluate", target, "--data", str(tree), "--engine", "onnx", "--results", str(out)]
        assert main(command) == 0
        lines = capsys.readouterr().out.splitlines()
        tables.append([line for line in lines if line.startswith(("red", "green", "mean", "MS COCO"))])
        files[target] = out.read_text()

    run(str(bundle))
    with live_server(create_app(settings(bundle))) as address:
        run(f"http://{address}")
    of_bundle, of_server = files.values()
    assert tables[0] == tables[1]
    assert tables[0][:2] == [
        "red          1  100.00  100.00   100.00  100.00",
        "green        2   50.00   50.50    50.50   54.55",
    ]
    best = [[(line["category_id"], line["bbox"]) for line in json.loads(text)[:2]] for text in (of_bundle, of_server)]
    assert best[0] == best[1] == [(1, [16, 16, 16, 16]), (2, [40, 40, 16, 16])]


def test_a_bundle_s_mistakes_are_drawn(tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = write_tiny_bundle(tmp_path / "tiny").path
    plots = tmp_path / "plots"
    assert main(["evaluate", str(bundle), "--data", str(tree), "--engine", "onnx", "--plots", str(plots)]) == 0
    numbers = json.loads((plots / "numbers.json").read_text())
    assert (numbers["model"], numbers["data"]) == (str(bundle), "blocks/test")
    assert [(miss["class"], miss["box"]) for miss in numbers["misses"]] == [("green", [0, 0, 12, 12])]
    assert (plots / "mistakes.png").exists()
    assert f"{plots}: precision_recall.png" in capsys.readouterr().out


def test_an_unknown_model_of_a_server_is_named(tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = write_tiny_bundle(tmp_path / "tiny").path
    with live_server(create_app(settings(bundle))) as address:
        assert main(["evaluate", f"http://{address}", "--data", str(tree), "--model", "other"]) == 1
    assert "no model 'other'; it serves tiny" in capsys.readouterr().err
