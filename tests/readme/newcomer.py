"""What a newcomer has at hand: a small data set, a detector of somebody else, and the programs."""

import sys
from pathlib import Path

import numpy as np
import onnx
import yaml
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from service.detect.detector import Detector, Found

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "service" / "bundles").rglob("*.jpg"))


def write_programs(folder: Path) -> Path:
    """`python` and `singleshot` as an installation has them, of this interpreter and this tree."""
    folder.mkdir()
    for name, arguments in (("python", ""), ("singleshot", " -m singleshot")):
        program = folder / name
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}"{arguments} "$@"\n')
        program.chmod(0o755)
    return folder


def write_tree(folder: Path) -> Path:
    """A folder that looks like the clone, in which new files do not change the clone."""
    folder.mkdir()
    for path in ROOT.iterdir():
        if not path.name.startswith(".") and path.name not in ("build", "runs", "bundles"):
            (folder / path.name).symlink_to(path)
    return folder


def write_data_set(folder: Path) -> None:
    """The page's example pictures with what the packaged model finds in them, in the layout of YOLO."""
    with Detector.open("default") as detector:
        answers = list(detector.detect([path.read_bytes() for path in EXAMPLES]))
        classes = list(detector.manifest.classes)
    for index, (path, found) in enumerate(zip(EXAMPLES, answers, strict=True)):
        assert isinstance(found, Found)
        split = "test" if index == 0 else "train"
        for kind in ("images", "labels"):
            (folder / split / kind).mkdir(parents=True, exist_ok=True)
        (folder / split / "images" / path.name).write_bytes(path.read_bytes())
        rows: list[str] = []
        for label, (x1, y1, x2, y2) in zip(found.detections.labels, found.detections.boxes, strict=True):
            centre = (x1 + x2) / 2 / found.width, (y1 + y2) / 2 / found.height
            size = (x2 - x1) / found.width, (y2 - y1) / found.height
            rows.append(f"{label} " + " ".join(f"{value:.6f}" for value in (*centre, *size)))
        (folder / split / "labels" / f"{path.stem}.txt").write_text("\n".join(rows))
    description = {"names": classes, "train": "train/images", "test": "test/images"}
    (folder / "data.yaml").write_text(yaml.safe_dump(description))


def write_foreign_detector(folder: Path) -> None:
    """A detector of another project and a picture for it, by the names that the README gives them."""
    write_yolo(folder / "yolov8n.onnx")
    write_picture(folder / "street.jpg")


def write_yolo(path: Path) -> None:
    """A detector in YOLOv8's layout without training: 16×16 blocks score by how red or green they are.

    images [1, 3, 64, 64] in 0…1 -> output0 [1, 4 + 2, 49]: cx cy w h, scores.
    """
    corners = np.arange(0, 49, 8)
    ys, xs = (grid.ravel() + 8 for grid in np.meshgrid(corners, corners, indexing="ij"))
    boxes = np.stack([xs, ys, np.full(49, 16), np.full(49, 16)]).astype(np.float32)[None]  # [1, 4, 49]
    weights = np.array([[1, -1, -1], [-1, 1, -1]], np.float32).reshape(2, 3, 1, 1)  # red, green
    nodes = [
        helper.make_node("AveragePool", ["images"], ["blocks"], kernel_shape=[16, 16], strides=[8, 8]),
        helper.make_node("Conv", ["blocks", "weights"], ["colours"]),
        helper.make_node("Clip", ["colours", "zero", "one"], ["clipped"]),
        helper.make_node("Reshape", ["clipped", "shape"], ["scores"]),
        helper.make_node("Concat", ["boxes", "scores"], ["output0"], axis=1),
    ]
    constants = {
        "weights": weights,
        "zero": np.float32(0),
        "one": np.float32(1),
        "shape": np.array([1, 2, 49]),
        "boxes": boxes,
    }
    graph = helper.make_graph(
        nodes,
        "yolo",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 64, 64])],
        [helper.make_tensor_value_info("output0", TensorProto.FLOAT, [1, 6, 49])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    helper.set_model_props(model, {"names": "{0: 'red', 1: 'green'}"})
    onnx.save(model, path)


def write_picture(path: Path) -> None:
    """A red and a green block on grey."""
    pixels = np.full((64, 64, 3), 90, np.uint8)
    pixels[16:32, 16:32], pixels[32:48, 40:56] = (255, 0, 0), (0, 255, 0)
    Image.fromarray(pixels).save(path)
