"""Tells, at the start of a run, how many objects the preset's boxes fit, and which setting would fit more."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.boxes.coverage import best_overlaps, box_shapes, share_by_class
from models.data.data_set import DataSet, Sample
from models.data.scale_jitter import ScaleJitterConfig, ratio_of
from models.passd.passd import PASSDConfig
from models.presets.preset import Preset
from models.retinanet.anchor_branch import ASPECT_RATIOS, BOX_SIZE, SCALES
from models.retinanet.fpn import RetinaNetFPN
from service.detection.fit import boxes_to_input

FITTING_IOU = 0.5  # from which a box is positive: PASSD §5, RetinaNet §4
FEW = 0.8  # share of the objects
BOX_SIZES = tuple(half / 2 for half in range(3, 17))  # 1.5 to 8
TOLERANCE = 0.01  # of the share: of nearly equal settings, the one nearest to the present one is advised
MAX_IMAGES = 2000  # a sample of a large data set


@dataclass(frozen=True)
class Coverage:
    """The share of objects that fit a box, and of each class (K), nan for a class without objects."""

    share: float
    by_class: Tensor

    @property
    def mean(self) -> float:
        """The mean over classes: AP counts all classes alike, however rare."""
        return float(self.by_class.nanmean())

    def describe(self, classes: tuple[str, ...]) -> str:
        lowest = int(self.by_class.nan_to_num(2.0).argmin())
        return f"{self.share:.1%} of the objects, {self.by_class[lowest]:.1%} of {classes[lowest]}"


def box_advice(preset: Preset, data_set: DataSet) -> list[str]:
    """Lines about the boxes of `preset` and the objects of `data_set`; none if it has no boxes or no sized objects.

    The last line begins with "warning:" if the boxes fit less than FEW of the objects.
    """
    sizes, labels = object_sizes(preset, data_set)
    if isinstance(preset.model, PASSDConfig):
        kind, present = "default boxes", preset.model.box_size
    elif preset.model.branches != "anchor-free":
        kind, present = "anchors", BOX_SIZE
    else:
        return []
    if not len(labels):
        return []
    now = coverage(preset, sizes, labels, present, len(data_set.classes))
    lines = [f"{kind}: IoU {FITTING_IOU} is reached by {now.describe(data_set.classes)}, the class that fits least"]
    remedy = "objects that are long or far from all sizes of boxes learn from one box each"
    if isinstance(preset.model, PASSDConfig):
        better, found = best_box_size(preset, sizes, labels, len(data_set.classes))
        if found.mean > now.mean + TOLERANCE:
            remedy = f"add --set model.box_size={better:g}: then {found.describe(data_set.classes)}"
            lines.append(f"{kind}: {remedy}")
    if now.share < FEW:
        lines.append(f"warning: the {kind} fit only {now.share:.0%} of the objects; {remedy}")
    return lines


def best_box_size(preset: Preset, sizes: Tensor, labels: Tensor, num_classes: int) -> tuple[float, Coverage]:
    """Of BOX_SIZES, that nearest to the present one whose mean share over classes is TOLERANCE below the best."""
    assert isinstance(preset.model, PASSDConfig)
    present = preset.model.box_size
    found = {size: coverage(preset, sizes, labels, size, num_classes) for size in (present, *BOX_SIZES)}
    best = max(own.mean for own in found.values())
    good = [size for size, own in found.items() if own.mean >= best - TOLERANCE]
    nearest = min(good, key=lambda size: abs(size - present))
    return nearest, found[nearest]


def coverage(preset: Preset, sizes: Tensor, labels: Tensor, box_size: float, num_classes: int) -> Coverage:
    """The coverage of objects with sizes (M, 2) in input pixels and labels (M) if the preset had this `box_size`."""
    if isinstance(preset.model, PASSDConfig):
        strides = [8 * 2**level for level in range(preset.model.num_levels)]
        shapes = box_shapes(strides, box_size, preset.model.box_scales)
    else:
        shapes = box_shapes(RetinaNetFPN.strides, box_size, SCALES, ASPECT_RATIOS)
    fits = best_overlaps(sizes, *shapes) >= FITTING_IOU
    return Coverage(float(fits.float().mean()), share_by_class(fits, labels, num_classes))


def object_sizes(preset: Preset, data_set: DataSet) -> tuple[Tensor, Tensor]:
    """Width and height (M, 2) of the objects in input pixels, without augmentation, and their labels (M).

    Of several scales of training, the middle one counts. Crowds, and images of unknown size, are left out.
    """
    sizes: list[NDArray[np.float32]] = [np.zeros((0, 2), np.float32)]
    labels = [np.zeros(0, np.int64)]
    step = -(-len(data_set.samples) // MAX_IMAGES)
    for sample in data_set.samples[:: max(step, 1)]:
        if sample.size == (0, 0):
            continue
        boxes = input_boxes(preset, sample)
        own = boxes[:, 2:] - boxes[:, :2]
        sizes.append(own[~sample.is_crowd])
        labels.append(sample.labels[~sample.is_crowd])
    return torch.from_numpy(np.concatenate(sizes)), torch.from_numpy(np.concatenate(labels))


def input_boxes(preset: Preset, sample: Sample) -> NDArray[np.float32]:
    """The boxes of a sample in pixels of the network's input."""
    if not isinstance(preset.augment, ScaleJitterConfig):
        return boxes_to_input(sample.boxes, preset.model.input_spec, sample.size)
    scale = sorted(preset.augment.scales)[len(preset.augment.scales) // 2]
    return sample.boxes * np.float32(ratio_of(*sample.size, scale))
