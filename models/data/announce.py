"""Says on the console what was read."""

import sys

from models.data.data_set import DataSet
from models.distributed import is_first


def announce(data_set: DataSet) -> DataSet:
    """Print the size of a data set, and on stderr what its reader left out or assumed; returns it."""
    if not is_first():
        return data_set
    name = f"{data_set.name}/{data_set.split}"
    num_objects = sum(len(sample.boxes) for sample in data_set.samples)
    num_empty = sum(not len(sample.boxes) for sample in data_set.samples) if data_set.is_annotated else 0
    empty = f" ({num_empty} without objects)" if num_empty else ""
    objects = f"{num_objects} objects" if data_set.is_annotated else "no annotations"
    print(
        f"{name}: {len(data_set.samples)} images{empty}, {objects} of {len(data_set.classes)} classes "
        f"({', '.join(data_set.classes)})"
    )
    for note in data_set.notes:
        print(f"note: {name}: {note}", file=sys.stderr)
    return data_set


def announce_shared(train_set: DataSet, other: DataSet) -> None:
    """Say on stderr if images of `other`, on which AP is measured, are trained on."""
    trained_on = {sample.image_path.resolve() for sample in train_set.samples}
    num_shared = sum(sample.image_path.resolve() in trained_on for sample in other.samples)
    if num_shared and is_first():
        print(
            f"warning: {num_shared} of the {len(other.samples)} images of {other.name}/{other.split} are trained on "
            "too: the AP on them says nothing about new images",
            file=sys.stderr,
        )
