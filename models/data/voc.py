"""The Pascal VOC layout: Annotations/*.xml, JPEGImages/*.jpg, ImageSets/Main/SPLIT.txt."""

import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np

from models.data.data_set import DataError, DataSet, Sample

_Box = tuple[float, float, float, float]
_Object = tuple[str, _Box, bool]  # class, box, is_difficult


def is_voc(root: Path) -> bool:
    """Whether `root` has the layout of Pascal VOC."""
    return (root / "Annotations").is_dir() and (root / "ImageSets" / "Main").is_dir()


def read_voc(root: Path, split: str, classes: tuple[str, ...] | None = None) -> DataSet:
    """Read one split. The default classes are those of all its annotations, sorted.

    VOC counts pixels from 1 and includes the last: (xmin, ymin, xmax, ymax) becomes (xmin - 1, ymin - 1, xmax, ymax).
    Boxes are clipped to the image. Boxes without area, or with xmax = xmin or ymax = ymin in the file, are dropped.
    """
    names = _read_split(root, split)
    parsed = [_parse(root / "Annotations" / f"{name}.xml") for name in names]
    if classes is None:
        classes = tuple(sorted({label for objects in parsed for label, *_ in objects[1]}))
    samples, num_dropped = [], 0
    for name, (size, objects) in zip(names, parsed, strict=True):
        inside = [(label, _clip(box, size), is_difficult) for label, box, is_difficult in objects]
        kept = [o for o in inside if o[1][2] > o[1][0] + 1 and o[1][3] > o[1][1] + 1]
        num_dropped += len(objects) - len(kept)
        unknown = sorted({label for label, *_ in kept} - set(classes))
        if unknown:
            raise DataError(
                f"{root / 'Annotations' / name}.xml: class {unknown[0]!r} is not one of {', '.join(classes)}"
            )
        samples.append(
            Sample(
                image_path=_image_path(root, name),
                size=size,
                boxes=np.array([box for _, box, _ in kept], dtype=np.float32).reshape(-1, 4),
                labels=np.array([classes.index(label) for label, _, _ in kept], dtype=np.int64),
                is_difficult=np.array([difficult for _, _, difficult in kept], dtype=bool),
                is_crowd=np.zeros(len(kept), dtype=bool),
            )
        )
    return DataSet(root.resolve().name, split, classes, tuple(samples), num_dropped)


def _read_split(root: Path, split: str) -> list[str]:
    folder = root / "ImageSets" / "Main"
    path = folder / f"{split}.txt"
    if not path.is_file():
        existing = ", ".join(sorted(p.stem for p in folder.glob("*.txt"))) or "none"
        raise DataError(f"{path}: no such split; there are: {existing}")
    try:
        names = [line.split()[0] for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not a text file of image names: {error}") from error
    if not names:
        raise DataError(f"{path}: the split is empty")
    return names


def _image_path(root: Path, name: str) -> Path:
    for suffix in (".jpg", ".jpeg", ".png", ".JPG", ".JPEG", ".PNG"):
        path = root / "JPEGImages" / f"{name}{suffix}"
        if path.is_file():
            return path
    raise DataError(f"{root / 'JPEGImages' / name}.jpg: annotated, but the image is missing")


def _clip(box: _Box, size: tuple[int, int]) -> _Box:
    """The part of a box inside an image of `size` (height, width); if the size is (0, 0), unknown, only 0 clips."""
    height, width = size if size != (0, 0) else (float("inf"), float("inf"))
    x1, y1, x2, y2 = box
    return max(x1, 0.0), max(y1, 0.0), min(x2, width), min(y2, height)


def _parse(path: Path) -> tuple[tuple[int, int], list[_Object]]:
    """The size (height, width) and the objects (class, box, is_difficult) of one annotation."""
    if not path.is_file():
        raise DataError(f"{path}: listed in the split, but the annotation is missing")
    try:
        root = ET.parse(path).getroot()
        size = (int(root.findtext("size/height", "0")), int(root.findtext("size/width", "0")))
        objects = []
        for element in root.iter("object"):
            label = element.findtext("name")
            corners = [float(element.findtext(f"bndbox/{key}", "")) for key in ("xmin", "ymin", "xmax", "ymax")]
            if not label:
                raise ValueError("an object has no name")
            x1, y1, x2, y2 = corners
            objects.append((label.strip(), (x1 - 1, y1 - 1, x2, y2), element.findtext("difficult", "0").strip() == "1"))
    except (ET.ParseError, LookupError, ValueError) as error:  # LookupError: an encoding that Python does not know
        raise DataError(f"{path}: not a Pascal VOC annotation: {error}") from error
    return size, objects
