"""Bundles of a YOLO and of a DETR, which are wrapped once."""

import contextlib
import io
from dataclasses import dataclass
from pathlib import Path

import pytest

from export.__main__ import main
from service.bundle import Bundle, read_bundle
from tests.export.wrap.networks import CLASSES, detr, write_model, write_picture, yolov8


@dataclass(frozen=True)
class Made:
    """A bundle, the model in it, and what the command printed."""

    bundle: Bundle
    model: Path
    printed: str


def made(folder: Path, model: Path, *options: str) -> Made:
    golden = write_picture(folder / "golden.png", 80, 100)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        code = main(["wrap", str(model), "--golden", str(golden), "--out", str(folder / "bundle"), *options])
    assert code == 0
    return Made(read_bundle(folder / "bundle"), model, printed.getvalue())


@pytest.fixture(scope="session")
def yolo(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A YOLOv8 of any batch and size, whose metadata has its classes and its size, as Ultralytics' exporter writes it.

    The server's default NMS is hard.
    """
    folder = tmp_path_factory.mktemp("yolo")
    model = yolov8(height="height", width="width")
    for key, value in (("names", str(dict(enumerate(CLASSES)))), ("imgsz", "[64, 96]"), ("task", "detect")):
        model.metadata_props.add(key=key, value=value)
    return made(folder, write_model(folder / "yolo.onnx", model), "--nms", "hard", "--name", "yolo")


@pytest.fixture(scope="session")
def detr_with_mask(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A DETR with softmax, and with the input `pixel_mask`."""
    folder = tmp_path_factory.mktemp("detr")
    model = write_model(folder / "detr.onnx", detr(mask=True))
    options = ("--kind", "detr", "--classes", ",".join(CLASSES), "--name", "detr", "--score-threshold", "0.5")
    return made(folder, model, *options)
