"""Inputs of the anchor-free branch's tests: cells of five levels, objects, and their form in the oracle."""

import math

import numpy as np
import torch
from torch import Tensor

from models.detector import Targets
from models.retinanet.anchor_free_targets import Cells, cells_of
from tests.models.oracles import Box
from tests.models.retinanet.anchor_free_oracle import Cell

STRIDES = (8, 16, 32, 64, 128)


def cells(height: int = 256, width: int = 384) -> Cells:
    return cells_of(tuple((height // stride, width // stride) for stride in STRIDES), STRIDES)


def targets(boxes: list[list[float]], labels: list[int]) -> Targets:
    return Targets(torch.tensor(boxes).reshape(-1, 4), torch.tensor(labels, dtype=torch.int64))


def random_targets(seed: int, count: int = 8, num_classes: int = 3) -> Targets:
    """Objects of 2 to 300 pixels in an image of 256 x 384; some are crowded together, some cross the image's border."""
    rng = np.random.default_rng(seed)
    centres = rng.uniform((0, 0), (384, 256), (count, 2))
    centres[: count // 2] = centres[0] + rng.normal(0, 20, (count // 2, 2))
    sizes = np.exp(rng.uniform(math.log(2), math.log(300), (count, 2)))
    boxes = np.concatenate([centres - sizes / 2, centres + sizes / 2], axis=1).clip(0, [384, 256, 384, 256])
    kept = ((boxes[:, 2:] - boxes[:, :2]) > 0).all(axis=1)
    return targets(boxes[kept].tolist(), rng.integers(0, num_classes, int(kept.sum())).tolist())


def as_boxes(tensor: Tensor) -> list[Box]:
    return [(x1, y1, x2, y2) for x1, y1, x2, y2 in tensor.tolist()]


def key(grid: Cells, n: int) -> Cell:
    return int(grid.level[n]), int(grid.row[n]), int(grid.column[n])
