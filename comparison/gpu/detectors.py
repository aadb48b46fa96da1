"""The detectors of the presets with random weights, their inference as one function, and random training batches."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from models.data.loader import Batch
from models.detector import Targets, normalise
from models.passd.passd import PASSD
from models.presets.catalogue import find_preset
from models.retinanet.retinanet import RetinaNet

CLASSES = tuple(f"class {number}" for number in range(20))  # as many as Pascal VOC has
NUM_CANDIDATES = 200
SMALLEST_SIDE = 12.0  # of an object, in pixels

Detector = PASSD | RetinaNet


class KeptConstants(TorchFunctionMode):
    """Makes each constant that the models create with torch.tensor only once, because a capture allows no such copy."""

    def __init__(self) -> None:
        super().__init__()
        self._tensors: dict[str, Any] = {}

    def __torch_function__(
        self, func: Callable[..., Any], types: Iterable[Any], args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Called by torch for each of its functions."""
        if func is not torch.tensor:
            return func(*args, **(kwargs or {}))
        key = repr((args, kwargs))
        if key not in self._tensors:
            self._tensors[key] = func(*args, **(kwargs or {}))
        return self._tensors[key]


def make_detector(name: str, device: str) -> Detector:
    """The model of a preset with random weights, for inference."""
    torch.manual_seed(0)
    model: Any = find_preset(name).build(CLASSES).eval().to(device)
    detector: Detector = model.to(memory_format=torch.channels_last)
    return detector


def detect(model: Detector, images: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """images uint8 (B, H, W, 3) -> boxes, scores, labels of the best candidates; the layers compute in `dtype`."""
    normal = normalise(images).contiguous(memory_format=torch.channels_last)
    with torch.autocast(images.device.type, dtype, enabled=dtype != torch.float32):
        predictions: Any = model(normal)
    return model.candidates(predictions, NUM_CANDIDATES)


def random_images(count: int, side: int, device: str = "cpu") -> Tensor:
    """uint8 (count, side, side, 3)."""
    generator = torch.Generator().manual_seed(count)
    return torch.randint(0, 256, (count, side, side, 3), dtype=torch.uint8, generator=generator).to(device)


def random_batch(count: int, side: int) -> Batch:
    """Images with one to eight objects each."""
    generator = torch.Generator().manual_seed(0)
    targets = []
    for _ in range(count):
        num_objects = int(torch.randint(1, 9, (1,), generator=generator))
        size = torch.rand(num_objects, 2, generator=generator) * side / 3 + SMALLEST_SIDE
        corner = torch.rand(num_objects, 2, generator=generator) * (side - size)
        labels = torch.randint(0, len(CLASSES), (num_objects,), generator=generator)
        targets.append(Targets(torch.cat([corner, corner + size], dim=1), labels))
    return random_images(count, side), targets
