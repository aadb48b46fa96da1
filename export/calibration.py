"""The images of a data set that calibrate a model in int8, and those that measure its loss."""

from collections.abc import Sequence
from dataclasses import replace

from export.errors import ExportError
from models.data.data_set import DataSet

HELD_OUT = 4  # each fourth image is held out


def split_images(data_set: DataSet, num_images: int) -> tuple[DataSet, DataSet]:
    """The images for calibration, and the held-out ones, of at most `num_images` images, which are evenly spread.

    Raises ExportError if nothing is left for calibration, or if the held-out images have no objects.
    """
    chosen = thinned(data_set, num_images)
    numbers = range(len(chosen.samples))
    held_out = subset(chosen, [number for number in numbers if number % HELD_OUT == 0])
    calibration = subset(chosen, [number for number in numbers if number % HELD_OUT])
    if not calibration.samples or all(sample.is_uncounted.all() for sample in held_out.samples):
        raise ExportError(
            f"{data_set.name}/{data_set.split}: {len(held_out.samples)} of {len(numbers)} images are held out to "
            "measure the loss; they need objects, and other images must be left; choose a larger --split or --images"
        )
    return calibration, held_out


def thinned(data_set: DataSet, num_images: int) -> DataSet:
    """At most `num_images` images of a data set, evenly spread."""
    count = len(data_set.samples)
    if count <= num_images:
        return data_set
    return subset(data_set, [number * count // num_images for number in range(num_images)])


def subset(data_set: DataSet, numbers: Sequence[int]) -> DataSet:
    """The images with these numbers."""
    coco = data_set.coco and replace(data_set.coco, image_ids=tuple(data_set.coco.image_ids[n] for n in numbers))
    return replace(data_set, samples=tuple(data_set.samples[number] for number in numbers), coco=coco)
