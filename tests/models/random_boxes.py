"""Random boxes for tests against plain loops."""

import numpy as np
import torch
from torch import Tensor


def random_boxes(count: int, seed: int) -> Tensor:
    """(count, 4) xyxy float64 with sides of 0 to 60 pixels, some of them on whole pixels so that edges touch."""
    rng = np.random.default_rng(seed)
    low = rng.integers(0, 50, (count, 2)).astype(float)
    size = np.where(rng.random((count, 2)) < 0.3, rng.integers(0, 60, (count, 2)), rng.uniform(0, 60, (count, 2)))
    return torch.from_numpy(np.concatenate([low, low + size], axis=1))
