"""Detections as MS COCO's results: one list of boxes with ids of images and categories.

https://cocodataset.org/#format-results: bbox is [x, y, width, height] in pixels.
"""

import json
from array import array
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

import numpy as np

from service.bundle import Manifest
from service.detect.outputs.format import OutputError
from service.detect.video import is_video

ImageId = int | str


@dataclass(frozen=True)
class Annotations:
    """The ids in an annotation file: of images by their file names, and of categories by their names."""

    path: Path
    images: dict[str, ImageId]
    categories: dict[str, int]


def read_annotations(path: Path) -> Annotations:
    """Read MS COCO's annotation file; raises OutputError."""
    try:
        content = json.loads(path.read_bytes())
        images = {image["file_name"]: image["id"] for image in content["images"]}
        categories = {category["name"]: category["id"] for category in content["categories"]}
    except OSError as error:
        raise OutputError(f"{path}: it cannot be read: {error.strerror}; correct --annotations") from error
    except (ValueError, KeyError, TypeError) as error:
        raise OutputError(
            f"{path}: it is no annotation file of MS COCO, which has images and categories; correct --annotations"
        ) from error
    return Annotations(path, images, categories)


def write_coco(
    results: Iterable[dict[str, Any]], manifest: Manifest, file: BinaryIO, annotations: Annotations | None = None
) -> str:
    """Write the list -> a note about pictures that are left out, because `annotations` does not have them.

    Without annotations, the id of an image is the number that its file's name is, such as 139 for 000000000139.jpg, or
    else its whole name; categories count from 1 in the order of the model's classes. Raises OutputError.
    """
    categories = category_ids(manifest, annotations)
    find = id_in(annotations) if annotations else id_of_name
    numbers = array("q")
    num_pictures, num_left_out, separator = 0, 0, b"[\n"
    for result in results:
        image_id = find(result["name"])
        num_pictures += 1
        if image_id is None:
            num_left_out += 1
            continue
        if isinstance(image_id, int):
            numbers.append(image_id)
        for found in result["detections"]:
            file.write(separator + json.dumps(entry_of(found, image_id, categories)).encode())
            separator = b",\n"
    file.write(b"[]\n" if separator == b"[\n" else b"\n]\n")
    ids, counts = np.unique(np.frombuffer(numbers, np.int64) if numbers else np.zeros(0, np.int64), return_counts=True)
    if (counts > 1).any():
        reason = "the number in their names; give their ids with --annotations"
        if annotations is not None:
            reason = f"since their names end in the same file_name of {annotations.path}; write their folders in it"
        raise OutputError(f"two pictures have the image id {ids[counts > 1][0]}, {reason}")
    if annotations is None or not num_left_out:
        return ""
    if num_left_out == num_pictures:
        raise OutputError(f"{annotations.path}: it has none of the pictures; give the file that has them")
    return f"{num_left_out} of {num_pictures} pictures are not in {annotations.path} and are left out"


def category_ids(manifest: Manifest, annotations: Annotations | None) -> list[int]:
    """The id of each class; raises OutputError if the annotation file lacks one."""
    if annotations is None:
        return list(range(1, len(manifest.classes) + 1))
    missing = [name for name in manifest.classes if name not in annotations.categories]
    if missing:
        raise OutputError(
            f"{annotations.path}: it has no category {missing[0]!r}, which the model {manifest.name} finds; it has "
            f"{', '.join(annotations.categories)}"
        )
    return [annotations.categories[name] for name in manifest.classes]


def entry_of(found: dict[str, Any], image_id: ImageId, categories: list[int]) -> dict[str, Any]:
    """The entry of one detection."""
    x1, y1, x2, y2 = found["box"].values()
    bbox = [x1, y1, round(x2 - x1, 2), round(y2 - y1, 2)]
    return {"image_id": image_id, "category_id": categories[found["class_id"]], "bbox": bbox, "score": found["score"]}


def id_in(annotations: Annotations) -> Callable[[str], ImageId | None]:
    """A function from a picture's name to its id: that of the longest end of the name that is a file_name."""

    def find(name: str) -> ImageId | None:
        parts = PurePosixPath(name).parts
        ends = ("/".join(parts[start:]) for start in range(len(parts)))
        return next((annotations.images[end] for end in (name, *ends) if end in annotations.images), None)

    return find


def id_of_name(name: str) -> ImageId:
    """The number that the file's name is, or else the whole name; also that of a frame, whose file has others."""
    if is_video(name.rpartition("#")[0]):
        return name
    stem = PurePosixPath(name).stem
    return int(stem) if stem.isdecimal() and len(stem) < 19 else name
