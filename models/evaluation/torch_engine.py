"""A detector in PyTorch behind the interface of the server's engines, so that evaluation treats all alike."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from models.detector import normalise
from service.engines.protocol import Candidates


class TorchEngine:
    """A model as an engine: the reference for all other engines."""

    name = "torch"
    device = "torch"  # the device of the model, which may be moved
    precision = "fp32"
    num_streams = 1
    batch_sizes: tuple[int, ...] | None = None
    late_sizes: tuple[int, ...] = ()

    def __init__(self, model: nn.Module) -> None:
        self.num_threads = torch.get_num_threads()
        self.model: Any = model.eval()
        config: Any = model.config
        self.max_candidates: int = config.max_candidates

    @torch.inference_mode()
    def __call__(self, images: NDArray[np.uint8]) -> Candidates:
        device = next(self.model.parameters()).device
        predictions = self.model(normalise(torch.from_numpy(images).to(device)))
        boxes, scores, labels = self.model.candidates(predictions, self.max_candidates)
        return Candidates(boxes.cpu().numpy(), scores.cpu().numpy(), labels.cpu().numpy())

    def prepare(self, size: int) -> None:
        """Nothing: the engine has no late sizes."""

    def close(self) -> None:
        """Nothing to release."""
