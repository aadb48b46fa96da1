"""What a run is made with; results and checkpoints that were made with something else are not used again."""

import hashlib
from typing import Any

from models.data.data_set import DataSet
from models.presets.preset import Preset, differences

Description = dict[str, Any]
"""Of a data set: its name, number of images, and fingerprint."""


def describe_data(data_set: DataSet) -> Description:
    """The fingerprint is of all annotations and file names, in order.

    The images are not read: one that is replaced by another image of the same name is not noticed.
    """
    digest = hashlib.sha256(repr(data_set.classes).encode())
    for sample in data_set.samples:
        height, width = sample.size
        digest.update(f"{sample.image_path.name} {height}x{width} {len(sample.labels)}\n".encode())
        for array in (sample.boxes, sample.labels, sample.is_difficult, sample.is_crowd):
            digest.update(array.tobytes())
    name = f"{data_set.name}/{data_set.split}"
    return {"name": name, "num_images": len(data_set.samples), "fingerprint": digest.hexdigest()}


def data_difference(old: Description | None, new: Description | None) -> str:
    """What differs, in words; empty if both have the same images and annotations, in folders of any name."""
    if (old and old["fingerprint"]) == (new and new["fingerprint"]):
        return ""
    was, now = (
        f"{data['name']} with {data['num_images']} images" if data else "unknown or none" for data in (old, new)
    )
    return f"{was} before, {now} now" + (", with other files or annotations" if was == now else "")


def preset_difference(old: Preset, new: Preset) -> str:
    """The settings that differ, with both values; empty if none does."""
    return ", ".join(f"{name} was {was} and is {now}" for name, (was, now) in differences(old, new).items())
