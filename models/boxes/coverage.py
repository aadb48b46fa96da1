"""How well the shapes of default boxes and anchors fit the objects of a data set."""

from collections.abc import Sequence

import torch
from torch import Tensor

USUAL_OFFSET = 0.25  # cells: mean distance, on each axis, of a random centre from the nearest centre of a cell


def box_shapes(
    strides: Sequence[int], box_size: float, scales: Sequence[float], aspect_ratios: Sequence[float] = (1.0,)
) -> tuple[Tensor, Tensor]:
    """The shapes of the boxes that `anchors` puts at each cell: (S, 2) width and height; (S) their levels' strides."""
    shapes = [
        (box_size * stride * scale * ratio**-0.5, box_size * stride * scale * ratio**0.5)
        for stride in strides
        for scale in scales
        for ratio in aspect_ratios
    ]
    return torch.tensor(shapes), torch.tensor(strides, dtype=torch.float32).repeat_interleave(
        len(scales) * len(aspect_ratios)
    )


def best_overlaps(sizes: Tensor, shapes: Tensor, strides: Tensor) -> Tensor:
    """The IoU of each object with its best box: sizes (M, 2) in input pixels, shapes (S, 2), strides (S) -> (M).

    The object's centre is a quarter of a cell beside the box's, right and down, as it usually is: augmentation moves
    objects to any place between the cells.
    """
    offset = USUAL_OFFSET * strides[:, None]  # (S, 1)
    own = sizes[:, None]  # (M, 1, 2)
    sides = torch.minimum(torch.minimum(own, shapes), (own + shapes) / 2 - offset).clamp(min=0)  # (M, S, 2)
    common = sides.prod(dim=2)
    union = own.prod(dim=2) + shapes.prod(dim=1) - common
    return (common / union).amax(dim=1)


def share_by_class(reached: Tensor, labels: Tensor, num_classes: int) -> Tensor:
    """The share of each class' objects that `reached` (M) bool marks: labels (M) -> (K); nan without objects."""
    count = torch.bincount(labels, minlength=num_classes)
    return torch.bincount(labels, reached.float(), minlength=num_classes) / count
