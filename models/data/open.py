"""Opens data sets in any supported layout, and joins them."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from models.data.coco import is_coco, is_coco_export, read_coco
from models.data.data_set import DataError, DataSet
from models.data.voc import is_voc, is_voc_export, read_voc
from models.data.yolo import is_yolo, read_yolo

Reader = Callable[[Path, str, tuple[str, ...] | None], DataSet]

LAYOUTS: tuple[tuple[str, Callable[[Path], bool], Reader], ...] = (
    ("Pascal VOC: Annotations/*.xml, JPEGImages/* and ImageSets/Main/SPLIT.txt", is_voc, read_voc),
    ("MS COCO: annotations/instances_SPLIT.json and images in SPLIT/, images/SPLIT/ or images/", is_coco, read_coco),
    ("YOLO: data.yaml with names, train and val, images in images/ and labels in labels/", is_yolo, read_yolo),
    ("Roboflow's COCO: SPLIT/_annotations.coco.json beside the images", is_coco_export, read_coco),
    ("Roboflow's Pascal VOC: SPLIT/*.xml beside the images", is_voc_export, read_voc),
)


def open_data_set(
    root: Path, split: str, classes: tuple[str, ...] | None = None, *, needs_annotations: bool = True
) -> DataSet:
    """A split of the data set in `root`; its layout decides how it is read. The default classes are its own.

    A split without annotations (image_info_SPLIT.json of MS COCO) is an error unless `needs_annotations` is false.
    Raises DataError, also if no image has an object.
    """
    return open_data_sets([root], [split], classes, needs_annotations=needs_annotations)


def open_data_sets(
    roots: Sequence[Path],
    splits: Sequence[str],
    classes: tuple[str, ...] | None = None,
    *,
    needs_annotations: bool = True,
) -> DataSet:
    """Several data sets, joined: PASSD §7.1 trains on Pascal VOC 2007 and 2012 together.

    `splits` is one for all of them, or one for each. The default classes are those of all of them, sorted; a single
    data set keeps its own order.
    """
    if len(splits) not in (1, len(roots)):
        raise DataError(f"{len(roots)} data sets and {len(splits)} splits: give one split, or one for each data set")
    of_root = splits if len(splits) == len(roots) else [*splits] * len(roots)
    pairs = list(zip(roots, of_root, strict=True))
    for root, split in pairs:
        if sum((other.resolve(), name) == (root.resolve(), split) for other, name in pairs) > 1:
            raise DataError(f"{root}: split {split} is given twice, so each of its images would count twice")
    parts = [_read(root, split, classes) for root, split in pairs]
    for root, part in zip(roots, parts, strict=True):
        if needs_annotations and not part.is_annotated:
            raise DataError(
                f"{root}: split {part.split} has no annotations, so nothing can be trained or measured on it; "
                "its images can only be detected"
            )
    whole = parts[0] if len(parts) == 1 else _join(parts, classes)
    if whole.is_annotated and not any(len(sample.boxes) for sample in whole.samples):
        reasons = "".join(f"; {note}" for note in whole.notes)
        raise DataError(
            f"{', '.join(map(str, roots))}: split {whole.split} has no objects in its {len(whole.samples)} images"
            f"{reasons}; check the annotations"
        )
    return whole


def _read(root: Path, split: str, classes: tuple[str, ...] | None) -> DataSet:
    found = [(name, read) for name, is_such, read in LAYOUTS if is_such(root)]
    if not found:
        known = "; ".join(name for name, _, _ in LAYOUTS)
        raise DataError(f"{root}: {'not a data set' if root.exists() else 'no such folder'}; expected one of: {known}")
    data_set = found[0][1](root, split, classes)
    if len(found) == 1:
        return data_set
    others = "; ".join(name for name, _ in found[1:])
    return replace(data_set, notes=(f"read as {found[0][0]}, though it also has the layout {others}", *data_set.notes))


def _join(parts: Sequence[DataSet], classes: tuple[str, ...] | None) -> DataSet:
    classes = classes or tuple(sorted({name for part in parts for name in part.classes}))
    samples, notes = [], []
    for part in parts:
        labels = np.array([classes.index(name) for name in part.classes], dtype=np.int64)
        samples += [replace(sample, labels=labels[sample.labels]) for sample in part.samples]
        size = f"{len(part.samples)} images, {sum(len(sample.boxes) for sample in part.samples)} objects"
        notes += [f"{part.name}/{part.split}: {note}" for note in (size, *part.notes)]
    if any(part.coco for part in parts):
        notes.append("AP is of all parts together; objects are small or large by their boxes, not by MS COCO's masks")
    return DataSet(
        "+".join(part.name for part in parts),
        "+".join(dict.fromkeys(part.split for part in parts)),
        classes,
        tuple(samples),
        sum(part.num_dropped for part in parts),
        is_annotated=all(part.is_annotated for part in parts),
        notes=tuple(notes),
    )
