"""Opens data sets in any supported layout."""

from collections.abc import Sequence
from pathlib import Path

from models.data.coco import is_coco, read_coco
from models.data.data_set import DataError, DataSet
from models.data.voc import is_voc, read_voc


def open_data_set(
    root: Path, split: str, classes: tuple[str, ...] | None = None, *, needs_annotations: bool = True
) -> DataSet:
    """A split of the data set in `root`, a Pascal VOC tree or an MS COCO directory; the layout decides which.

    A split without annotations (image_info_SPLIT.json of MS COCO) is an error unless `needs_annotations` is false.
    """
    if is_voc(root):
        return read_voc(root, split, classes)
    if is_coco(root):
        data_set = read_coco(root, split, classes)
        if needs_annotations and not data_set.is_annotated:
            raise DataError(
                f"{root}: split {split} has no annotations, so nothing can be trained or measured on it; "
                "its images can only be detected"
            )
        return data_set
    raise DataError(
        f"{root}: not a data set; expected a Pascal VOC tree with Annotations/, JPEGImages/ and "
        f"ImageSets/Main/{split}.txt, or MS COCO with annotations/instances_{split}.json"
    )


def open_data_sets(roots: Sequence[Path], split: str) -> DataSet:
    """The same split of several data sets, joined: PASSD §7.1 trains on Pascal VOC 2007 and 2012 together.

    Several data sets get the classes of all of them, sorted.
    """
    parts = [open_data_set(root, split) for root in roots]
    if len(parts) == 1:
        return parts[0]
    classes = tuple(sorted({name for part in parts for name in part.classes}))
    parts = [
        part if part.classes == classes else open_data_set(root, split, classes)
        for root, part in zip(roots, parts, strict=True)
    ]
    samples = tuple(sample for part in parts for sample in part.samples)
    return DataSet(
        "+".join(part.name for part in parts), split, classes, samples, sum(part.num_dropped for part in parts)
    )
