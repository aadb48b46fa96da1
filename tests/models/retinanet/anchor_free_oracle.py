"""The supervision of FSAF's anchor-free branch in plain loops over Python numbers, written from the paper."""

import math
from collections.abc import Sequence

from tests.models import oracles
from tests.models.oracles import Box

Cell = tuple[int, int, int]  # level, row, column; level 0 is the finest


def overlapped(box: Box, share: float, map_size: tuple[int, int], stride: int) -> set[tuple[int, int]]:
    """(row, column) of each cell that overlaps the middle `share` of a box; at least one cell.  # FSAF §3.2"""
    x, y = (box[0] + box[2]) / 2 / stride, (box[1] + box[3]) / 2 / stride
    w, h = (box[2] - box[0]) / stride, (box[3] - box[1]) / stride
    height, width = map_size
    rows = [i for i in range(height) if i + 1 > y - share * h / 2 and i < y + share * h / 2]
    columns = [j for j in range(width) if j + 1 > x - share * w / 2 and j < x + share * w / 2]
    rows = rows or [min(max(math.floor(y), 0), height - 1)]
    columns = columns or [min(max(math.floor(x), 0), width - 1)]
    return {(i, j) for i in rows for j in columns}


def supervise(
    boxes: Sequence[Box],
    labels: Sequence[int],
    levels: Sequence[int],
    map_sizes: Sequence[tuple[int, int]],
    strides: Sequence[int],
) -> tuple[dict[tuple[Cell, int], str], dict[Cell, int]]:
    """States of all (cell, class) that are not negative: positive or ignored; the instance of each positive cell."""
    states: dict[tuple[Cell, int], str] = {}
    owners: dict[Cell, int] = {}
    for box, label, own in zip(boxes, labels, levels, strict=True):
        for level in (own - 1, own, own + 1):
            if 0 <= level < len(strides):
                for row, column in overlapped(box, 0.5, map_sizes[level], strides[level]):
                    states[(level, row, column), label] = "ignored"
    by_size = sorted(range(len(boxes)), key=lambda m: (boxes[m][2] - boxes[m][0]) * (boxes[m][3] - boxes[m][1]))
    for m in by_size:
        for row, column in overlapped(boxes[m], 0.2, map_sizes[levels[m]], strides[levels[m]]):
            cell = (levels[m], row, column)
            if cell not in owners:
                owners[cell] = m
                states[cell, labels[m]] = "positive"
    return states, owners


def focal(logit: float, target: int) -> float:
    """Lin et al. 2017, eq. 5."""
    p = 1 / (1 + math.exp(-logit))
    return -0.25 * (1 - p) ** 2 * math.log(p) if target else -0.75 * p**2 * math.log(1 - p)


def iou_loss(box: Box, target: Box) -> float:
    """-ln IoU as in UnitBox; each side of the intersection is at least 0.001 of the target's side."""
    width = max(min(box[2], target[2]) - max(box[0], target[0]), 0.001 * (target[2] - target[0]))
    height = max(min(box[3], target[3]) - max(box[1], target[1]), 0.001 * (target[3] - target[1]))
    return -math.log(width * height / (oracles.area(box) + oracles.area(target) - width * height))


def instance_loss(
    box: Box,
    label: int,
    level: int,
    logits: dict[Cell, list[float]],
    predicted: dict[Cell, Box],
    map_sizes: Sequence[tuple[int, int]],
    strides: Sequence[int],
) -> float:
    """FSAF §3.3, eq. 1: the mean focal loss plus the mean IoU loss over the effective box."""
    cells = overlapped(box, 0.2, map_sizes[level], strides[level])
    total = 0.0
    for row, column in cells:
        cell = (level, row, column)
        total += sum(focal(logit, int(k == label)) for k, logit in enumerate(logits[cell]))
        total += iou_loss(predicted[cell], box)
    return total / len(cells)


def losses(
    boxes: Sequence[Box],
    labels: Sequence[int],
    levels: Sequence[int],
    logits: dict[Cell, list[float]],
    predicted: dict[Cell, Box],
    map_sizes: Sequence[tuple[int, int]],
    strides: Sequence[int],
) -> tuple[float, float, int]:
    """Sums of one image: focal loss of all scores that are not ignored, IoU loss of positives, number of positives."""
    states, owners = supervise(boxes, labels, levels, map_sizes, strides)
    classes = 0.0
    for cell, scores in logits.items():
        for k, logit in enumerate(scores):
            state = states.get((cell, k))
            if state != "ignored":
                classes += focal(logit, int(state == "positive"))
    return classes, sum(iou_loss(predicted[cell], boxes[m]) for cell, m in owners.items()), len(owners)
