"""The layout of a model is found from its outputs' names and shapes, or refused with what would decide it."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from export.errors import ExportError
from export.wrap.decoders import DecodedBoxes, DetrQueries, YoloRows
from export.wrap.kinds import KindName
from export.wrap.layout import Layout, Task, layout_of


def found(kind: KindName, shapes: dict[str, tuple[int, ...]], num_classes: int = 80, side: int = 640) -> Layout:
    outputs = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    return layout_of(kind, outputs, Task(num_classes, side, side))


@pytest.mark.parametrize(
    ("shape", "num_classes", "kind"),
    [
        ((1, 84, 8400), 80, "yolov8"),
        ((1, 8400, 84), 80, "yolov8"),
        ((1, 25200, 85), 80, "yolov5"),
        ((1, 300, 6), 80, "yolo-end2end"),
        ((1, 5, 8400), 1, "yolov8"),
        ((1, 25200, 6), 1, "yolov5"),
    ],
)
def test_the_shape_of_a_yolo_s_output_decides(shape: tuple[int, ...], num_classes: int, kind: KindName) -> None:
    assert found("yolo", {"output0": shape}, num_classes).kind == kind


@pytest.mark.parametrize(
    ("shape", "num_classes", "kinds"),
    [
        ((1, 8400, 85), 80, "yolov5 or yolox"),
        ((1, 300, 6), 1, "yolo-end2end or yolov5"),
        ((1, 300, 6), 2, "yolo-end2end or yolov8"),
    ],
)
def test_a_shape_that_several_kinds_have_is_refused(shape: tuple[int, ...], num_classes: int, kinds: str) -> None:
    with pytest.raises(ExportError, match=f"may be that of {kinds}; choose with --kind"):
        found("yolo", {"output0": shape}, num_classes)


def test_a_kind_that_is_named_is_taken() -> None:
    assert found("yolox", {"output": (1, 8400, 85)}).kind == "yolox"
    layout = found("yolov5", {"output": (1, 8400, 85)})
    assert isinstance(layout.decoder, YoloRows)
    assert layout.decoder.has_objectness
    assert found("yolo-end2end", {"output0": (1, 8400, 6)}).kind == "yolo-end2end"


@pytest.mark.parametrize("kind", ["yolo", "yolov5", "yolov8", "yolox"])
def test_another_number_of_classes_is_refused(kind: KindName) -> None:
    with pytest.raises(ExportError, match="--classes has 79 names; is one missing or too many"):
        found(kind, {"output0": (1, 84, 8400)}, num_classes=79)


def test_the_objectness_of_a_yolov5_is_no_class() -> None:
    with pytest.raises(ExportError, match="--classes has 81 names; is one missing or too many"):
        found("yolo", {"output0": (1, 25200, 85)}, num_classes=81)
    assert found("yolov8", {"output0": (1, 25200, 85)}, num_classes=81).kind == "yolov8"


def test_a_yolo_with_masks_is_refused() -> None:
    with pytest.raises(ExportError, match="name another --kind, or export a YOLO for detection alone, with one output"):
        found("yolo", {"output0": (1, 116, 8400), "output1": (1, 32, 160, 160)})


@pytest.mark.parametrize(
    ("shapes", "activation"),
    [
        ({"logits": (1, 100, 81), "pred_boxes": (1, 100, 4)}, "softmax"),
        ({"logits": (1, 300, 80), "pred_boxes": (1, 300, 4)}, "sigmoid"),
        ({"dets": (1, 300, 4), "labels": (1, 300, 81)}, "sigmoid"),
        ({"pred_logits": (1, 300, 80), "pred_boxes": (1, 300, 4), "features": (1, 300, 256)}, "sigmoid"),
    ],
)
def test_the_number_of_logits_decides_on_the_activation(shapes: dict[str, tuple[int, ...]], activation: str) -> None:
    layout = found("detr", shapes)
    assert isinstance(layout.decoder, DetrQueries)
    assert layout.decoder.activation == activation
    assert layout.decoder.num_classes == 80


@pytest.mark.parametrize("names", [("labels", "dets"), ("logits", "pred_boxes"), ("scores", "boxes")])
def test_a_detr_of_three_or_four_classes_is_not_confused_by_its_four_logits(names: tuple[str, str]) -> None:
    for num_classes in (3, 4):
        layout = found("detr", {names[0]: (1, 300, 4), names[1]: (1, 300, 4)}, num_classes)
        assert layout.outputs == names


def test_a_detr_with_other_classes_is_refused() -> None:
    with pytest.raises(ExportError, match="--classes has 5 names"):
        found("detr", {"logits": (1, 100, 81), "pred_boxes": (1, 100, 4)}, num_classes=5)


def test_outputs_with_other_names_are_known_by_their_form() -> None:
    outputs: dict[str, NDArray[Any]] = {
        "1234": np.zeros((7, 4), np.float32),
        "1235": np.zeros(7, np.int64),
        "1236": np.zeros(7, np.float32),
    }
    layout = layout_of("torchvision", outputs, Task(80, 640, 640))
    assert layout.outputs == ("1234", "1236", "1235")
    assert isinstance(layout.decoder, DecodedBoxes)
    assert layout.decoder.first_label == 1
    assert not layout.decoder.has_batch_axis


def test_tensorflow_s_names_may_end_with_their_number() -> None:
    names = ("detection_boxes:0", "detection_scores:0", "detection_classes:0")
    shapes = dict(zip(names, [(1, 100, 4), (1, 100), (1, 100)], strict=True))
    assert found("tensorflow", {**shapes, "num_detections:0": (1,)}).outputs == names


@pytest.mark.parametrize("kind", ["detr", "rtdetr", "torchvision", "tensorflow", "candidates"])
def test_other_outputs_are_refused_with_those_that_the_kind_needs(kind: KindName) -> None:
    with pytest.raises(ExportError, match=rf"outputs are output0 \[1, 84, 8400\]; --kind {kind} needs "):
        found(kind, {"output0": (1, 84, 8400)})
