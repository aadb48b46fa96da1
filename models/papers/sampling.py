"""PASSD's Figure 1: the positions of the nine taps of the best boxes in an image."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from models.boxes.geometry import cxcywh_to_xyxy, iou
from models.detector import normalise
from models.passd.offset_conv import sampling_positions
from models.passd.passd import PASSD
from service.detection.fit import fit

MAX_OVERLAP = 0.45  # IoU of two chosen boxes, PASSD §6.2


@dataclass(frozen=True)
class SampledBox:
    """One box of the model: default, adjusted and final (4,) xyxy; taps (9, 2) as (x, y); all in input pixels."""

    label: int
    score: float
    default: Tensor
    adjusted: Tensor
    final: Tensor
    taps: Tensor


def draw_sampling(model: PASSD, image: NDArray[np.uint8], path: Path, count: int) -> list[SampledBox]:
    """Draw the best boxes of an image uint8 (H, W, 3) and their taps into a PNG, at the input size."""
    spec = model.config.input_spec
    pixels = fit(image, spec)
    boxes = best_boxes(model, pixels, count)
    figure = Figure(figsize=(9, 9 * spec.height / spec.width), layout="constrained")
    axes = figure.subplots()
    axes.imshow(pixels)
    for n, box in enumerate(boxes):
        colour = f"C{n % 10}"
        for corners, style in ((box.default, ":"), (box.adjusted, "--"), (box.final, "-")):
            x1, y1, x2, y2 = corners.tolist()
            axes.plot([x1, x2, x2, x1, x1], [y1, y1, y2, y2, y1], color=colour, linestyle=style, linewidth=1.5)
        axes.scatter(
            box.taps[:, 0].tolist(),
            box.taps[:, 1].tolist(),
            color=colour,
            s=18,
            edgecolors="white",
            linewidths=0.5,
            zorder=3,
        )
        x, y = box.final[:2].tolist()
        axes.text(x, y - 3, f"{model.classes[box.label]} {box.score:.2f}", color=colour, fontsize=9)
    axes.set(
        xlim=(0, spec.width),
        ylim=(spec.height, 0),
        title="dotted: default box, dashed: adjusted, solid: detected; dots: taps",
    )
    figure.savefig(path, dpi=110)
    return boxes


@torch.inference_mode()
def best_boxes(model: PASSD, image: NDArray[np.uint8], count: int) -> list[SampledBox]:
    """The boxes with the best scores in an image uint8 (H, W, 3) of the input size, with low IoU of any two."""
    predictions = model.eval()(normalise(torch.from_numpy(image)[None]))
    boxes, scores = (output[0] for output in model.decode(predictions))
    best, labels = scores.max(dim=1)
    chosen: list[int] = []
    for n in best.argsort(descending=True).tolist():
        if len(chosen) == count:
            break
        if not chosen or iou(boxes[n : n + 1], boxes[chosen]).max() < MAX_OVERLAP:
            chosen.append(n)
    taps = tap_positions(model, predictions.adjusted)
    default, adjusted = cxcywh_to_xyxy(model.default), cxcywh_to_xyxy(predictions.adjusted[0])
    return [SampledBox(int(labels[n]), float(best[n]), default[n], adjusted[n], boxes[n], taps[n]) for n in chosen]


def tap_positions(model: PASSD, adjusted: Tensor) -> Tensor:
    """The taps of all boxes of one image: adjusted (1, N, 4) cxcywh -> (N, 9, 2) as (x, y) in input pixels."""
    levels = []
    for geometry, stride in zip(model.geometry(adjusted), model.strides, strict=True):
        positions = sampling_positions(geometry)[0]  # (A, 9, H, W, 2) as (y, x) in cells
        pixels = (positions.flip(-1) + 0.5) * stride
        levels.append(pixels.permute(2, 3, 0, 1, 4).reshape(-1, 9, 2))
    return torch.cat(levels)
