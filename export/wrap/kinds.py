"""The kinds of detectors that can be wrapped, and what each one's project does with its images."""

from dataclasses import dataclass
from typing import Literal, get_args

from export.wrap.normalisation import IMAGE_NET, Normalisation
from service.bundle import Resize

KindName = Literal[
    "yolo",
    "yolov5",
    "yolov8",
    "yolox",
    "yolo-end2end",
    "detr",
    "rtdetr",
    "torchvision",
    "tensorflow",
    "candidates",
]
NmsMethod = Literal["gaussian", "linear", "hard", "none"]
KIND_NAMES: tuple[KindName, ...] = get_args(KindName)


@dataclass(frozen=True)
class Kind:
    """The outputs in words, and the defaults for the input. `has_nms` is set if no box must be removed afterwards."""

    outputs: str
    resize: Resize
    normalisation: Normalisation
    has_nms: bool = False


ZERO_TO_ONE = Normalisation()
PIXELS = Normalisation("0-255")

KINDS: dict[KindName, Kind] = {
    "yolo": Kind("one of yolov5, yolov8, yolo-end2end, by its shape", "centred-letterbox", ZERO_TO_ONE),
    "yolov5": Kind("[B, N, 5+K]: cx cy w h, objectness, scores", "centred-letterbox", ZERO_TO_ONE),
    "yolov8": Kind("[B, 4+K, N] or [B, N, 4+K]: cx cy w h, scores", "centred-letterbox", ZERO_TO_ONE),
    "yolox": Kind(
        "[B, N, 5+K]: offsets in the cells of strides 8, 16, 32, objectness, scores",
        "letterbox",
        Normalisation("0-255", channels="bgr"),
    ),
    "yolo-end2end": Kind("[B, D, 6]: x1 y1 x2 y2, score, label", "centred-letterbox", ZERO_TO_ONE, has_nms=True),
    "detr": Kind(
        "logits [B, Q, K] or [B, Q, K+1], and boxes [B, Q, 4]: cx cy w h in 0…1", "stretch", IMAGE_NET, has_nms=True
    ),
    "rtdetr": Kind(
        "labels [B, Q], boxes [B, Q, 4]: x1 y1 x2 y2 in pixels, scores [B, Q]", "stretch", ZERO_TO_ONE, has_nms=True
    ),
    "torchvision": Kind(
        "boxes [D, 4]: x1 y1 x2 y2 in pixels, labels [D] from 1, scores [D]", "letterbox", ZERO_TO_ONE, has_nms=True
    ),
    "tensorflow": Kind(
        "detection_boxes [B, D, 4]: y1 x1 y2 x2 in 0…1, detection_classes [B, D] from 1, detection_scores [B, D]",
        "stretch",
        PIXELS,
        has_nms=True,
    ),
    "candidates": Kind("the outputs of a bundle's model, see service/bundle.py", "letterbox", PIXELS),
}
