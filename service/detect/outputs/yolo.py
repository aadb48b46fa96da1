"""Detections as YOLO's labels: a text file for each picture, with a line for each box.

https://docs.ultralytics.com/datasets/detect/: class, centre x, centre y, width and height as shares of the picture.
"""

from pathlib import PurePosixPath

from service.bundle import Manifest
from service.detect.detector import Found
from service.detect.video import is_video
from service.detection.image_views import Image

CLASSES = "classes.txt"  # the names of the classes, a line each


def labels_of(_: Image, found: Found, __: Manifest) -> bytes:
    """The lines of a picture; none if nothing is found, which means a picture without objects."""
    rows = zip(found.detections.labels.tolist(), found.detections.boxes.tolist(), strict=True)
    lines = []
    for label, (x1, y1, x2, y2) in rows:
        shares = (
            (x1 + x2) / 2 / found.width,
            (y1 + y2) / 2 / found.height,
            (x2 - x1) / found.width,
            (y2 - y1) / found.height,
        )
        lines.append(" ".join([str(label), *(f"{share:.6f}" for share in shares)]) + "\n")
    return "".join(lines).encode()


def label_file(name: str) -> str:
    """The name of the labels of a picture: a.txt for a.jpg. A frame of a video keeps its name."""
    video, mark, _ = name.rpartition("#")
    is_frame = bool(mark) and is_video(video)
    return f"{name}.txt" if is_frame else str(PurePosixPath(name).with_suffix(".txt"))
