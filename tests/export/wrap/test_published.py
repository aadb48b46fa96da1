"""Detectors that other projects' packages ship: `pip install --no-deps nudenet ddddocr`, both under MIT."""

from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest

from export.wrap.wrap import wrap
from service.bundle import read_bundle
from service.detection.golden import check_golden
from service.engines.open import open_engine
from tests.export.wrap.wishes import wish

BLOOD_CELLS = Path(__file__).parents[3] / "service/bundles/bccd-passd-320/blood-cells-1.jpg"


def published(package: str, file: str) -> Path:
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        pytest.skip(f"{package} is not installed, which ships a detector")
    return Path(spec.origin).with_name(file)


def test_nudenet_s_yolov8_of_any_size_agrees_with_its_bundle(tmp_path: Path) -> None:
    model = published("nudenet", "320n.onnx")
    weak = wish(tmp_path, "yolo", classes=None, golden=BLOOD_CELLS, score_threshold=0.001)  # cells are no class of it
    made = wrap(model, tmp_path / "bundle", weak)
    assert (made.examined.layout.kind, made.graph.batching) == ("yolov8", "as it is")
    assert (made.bundle.manifest.input.height, made.bundle.manifest.input.width) == (320, 320)
    assert made.bundle.manifest.classes[1] == "FACE_FEMALE"
    assert not made.graph.parity.exceeds(boxes=1e-3, scores=1e-4)


def test_ddddocr_s_yolox_of_a_fixed_batch_finds_words(tmp_path: Path) -> None:
    model = published("ddddocr", "common_det.onnx")
    image = np.full((300, 400, 3), 255, np.uint8)
    for line, word in enumerate(("detector", "bundle")):
        cv2.putText(image, word, (40, 100 + 120 * line), cv2.FONT_HERSHEY_SIMPLEX, 2, (30, 30, 30), 5)
    cv2.imwrite(str(tmp_path / "words.png"), image)
    made = wrap(model, tmp_path / "bundle", wish(tmp_path, "yolox", classes=("text",), golden=tmp_path / "words.png"))
    assert made.graph.batching == "freed"
    assert not made.graph.parity.exceeds(boxes=1e-3, scores=1e-4)
    bundle = read_bundle(tmp_path / "bundle")
    assert sum(detection.score >= 0.3 for detection in bundle.manifest.golden.detections) >= 2
    check_golden(bundle, open_engine(bundle, "onnx", num_threads=1))
