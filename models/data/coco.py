"""The MS COCO layout: annotations/instances_SPLIT.json, with the images in SPLIT/, images/SPLIT/ or images/.

A split without annotations, such as test-dev2017, has image_info_SPLIT.json instead.
"""

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from models.data.data_set import CocoSource, DataError, DataSet, Sample

KINDS = ("instances", "image_info")


def is_coco(root: Path) -> bool:
    """Whether `root` has the layout of MS COCO."""
    return any(any((root / "annotations").glob(f"{kind}_*.json")) for kind in KINDS)


def read_coco(root: Path, split: str, classes: tuple[str, ...] | None = None) -> DataSet:
    """Read one split. The default classes are its categories in the order of their ids, which may have gaps.

    Images without objects are kept. Boxes (x, y, width, height) become xyxy, clipped to the image; boxes without
    area are dropped.
    """
    path = _find(root, split)
    content = _read(path)
    is_annotated = not path.name.startswith("image_info_")
    if not is_annotated:
        content["annotations"] = []
    try:
        names = {
            category["id"]: str(category["name"]) for category in sorted(content["categories"], key=lambda c: c["id"])
        }
        classes = classes or tuple(names.values())
        of_image: dict[int, list[dict[str, Any]]] = defaultdict(list)
        for annotation in content["annotations"]:
            of_image[annotation["image_id"]].append(annotation)
        unknown = sorted({names[a["category_id"]] for a in content["annotations"]} - set(classes))
        if unknown:
            raise DataError(f"{path}: class {unknown[0]!r} is not one of {', '.join(classes)}")
        label_of = {id_: classes.index(name) for id_, name in names.items() if name in classes}
        if not content["images"]:
            raise ValueError("it contains no images")
        folder = _image_folder(root, split, content["images"][0]["file_name"])
        samples, num_dropped = [], 0
        for image in content["images"]:
            annotations = of_image[image["id"]]
            samples.append(_sample(image, annotations, folder, label_of))
            num_dropped += len(annotations) - len(samples[-1].boxes)
    except (KeyError, TypeError, ValueError) as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise DataError(f"{path}: not an annotation file of MS COCO: {reason}") from error
    category_ids = tuple(next((id_ for id_, label in label_of.items() if label == k), -1) for k in range(len(classes)))
    source = CocoSource(path, category_ids, tuple(image["id"] for image in content["images"]))
    return DataSet(root.resolve().name, split, classes, tuple(samples), num_dropped, source, is_annotated)


def _find(root: Path, split: str) -> Path:
    folder = root / "annotations"
    paths = [folder / f"{kind}_{split}.json" for kind in KINDS]
    for path in paths:
        if path.is_file():
            return path
    existing = sorted({path.stem.removeprefix(f"{kind}_") for kind in KINDS for path in folder.glob(f"{kind}_*.json")})
    raise DataError(f"{paths[0]}: no such split; there are: {', '.join(existing)}")


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except ValueError as error:
        raise DataError(f"{path}: not JSON: {error}") from error
    if not isinstance(content, dict):
        raise DataError(f"{path}: not an annotation file of MS COCO: it contains a {type(content).__name__}")
    return content


def _image_folder(root: Path, split: str, file_name: str) -> Path:
    """The first of the usual folders that contains the split's first image."""
    whole = split.replace("-dev", "")  # test-dev2017 is a part of test2017
    folders = [root / split, root / "images" / split, root / whole, root / "images" / whole, root / "images", root]
    for folder in folders:
        if (folder / file_name).is_file():
            return folder
    raise DataError(
        f"{folders[0] / file_name}: annotated, but the image is missing; searched {', '.join(map(str, folders))}"
    )


def _sample(image: dict[str, Any], annotations: list[dict[str, Any]], folder: Path, label_of: dict[int, int]) -> Sample:
    height, width = int(image["height"]), int(image["width"])
    low_high = np.array([a["bbox"] for a in annotations], dtype=np.float64).reshape(-1, 4)
    low_high[:, 2:] += low_high[:, :2]
    boxes = low_high.clip(0, [width, height, width, height]).astype(np.float32)
    has_area = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    labels = np.array([label_of[a["category_id"]] for a in annotations], dtype=np.int64)
    is_crowd = np.array([bool(a.get("iscrowd", 0)) for a in annotations], dtype=bool)
    is_difficult = np.zeros(int(has_area.sum()), dtype=bool)
    path = folder / image["file_name"]
    return Sample(path, (height, width), boxes[has_area], labels[has_area], is_difficult, is_crowd[has_area])
