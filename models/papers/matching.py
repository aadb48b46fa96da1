"""PASSD's Figure 2: the number of boxes matched to each object, before and after the proposing process."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from models.boxes.geometry import cxcywh_to_xyxy
from models.boxes.matching import match
from models.data.data_set import DataSet
from models.detector import normalise
from models.passd.passd import PASSD
from service.detection.fit import boxes_to_input, fit

NUM_BINS = 16


@dataclass(frozen=True)
class ObjectMatches:
    """For each object its scale, the square root of its area in input pixels, and its numbers of matched boxes."""

    scales: NDArray[np.float64]
    before: NDArray[np.int64]
    after: NDArray[np.int64]


def draw_matching(model: PASSD, data_set: DataSet, path: Path, device: str = "cpu") -> ObjectMatches:
    """Draw the figure into a PNG: the numbers on the left, each curve divided by its mean on the right."""
    matches = match_objects(model, data_set, device)
    middles, curves = by_scale(matches, model.config.input_size)
    figure = Figure(figsize=(11, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for name, colour, curve in zip(
        ("default boxes", "after proposing"), ("tab:blue", "tab:orange"), curves, strict=True
    ):
        average = float(np.nanmean(curve))
        left.plot(middles, curve, marker=".", color=colour, label=name)
        left.axhline(average, color=colour, linestyle="--", linewidth=1)
        right.plot(middles, curve / average if average else curve, marker=".", color=colour, label=name)
    right.axhline(1, color="grey", linestyle="--", linewidth=1)
    left.set(title="boxes matched to an object", xlabel="scale of the object (input pixels)", ylabel="matched boxes")
    right.set(title="normalised by the average", xlabel="scale of the object (input pixels)")
    for axes in (left, right):
        axes.legend()
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=120)
    return matches


@torch.inference_mode()
def match_objects(model: PASSD, data_set: DataSet, device: str = "cpu") -> ObjectMatches:
    """Match the default and the adjusted boxes to all objects of a data set that are not difficult."""
    model.eval()
    default = cxcywh_to_xyxy(model.default)
    scales, before, after = [], [], []
    for image, ground_truth in _inputs(model, data_set):
        adjusted = cxcywh_to_xyxy(model(normalise(image[None].to(device))).adjusted[0])
        own = ground_truth.to(device)
        scales.append((own[:, 2:] - own[:, :2]).prod(dim=1).sqrt().cpu())
        before.append(num_matched(default, own, model.config.iou_threshold).cpu())
        after.append(num_matched(adjusted, own, model.config.iou_threshold).cpu())
    return ObjectMatches(*(torch.cat(parts).numpy() for parts in (scales, before, after)))


def num_matched(boxes: Tensor, ground_truth: Tensor, iou_threshold: float) -> Tensor:
    """The number of boxes (N, 4) xyxy above the threshold for each of ground truth (M, 4) xyxy -> (M)."""
    matches = match(boxes[None], [ground_truth], iou_threshold, force_best=False)
    return torch.bincount(matches.index[matches.is_positive], minlength=len(ground_truth))


def _inputs(model: PASSD, data_set: DataSet) -> Iterator[tuple[Tensor, Tensor]]:
    """Each image with objects as the model's input, uint8 (H, W, 3), and its boxes (M, 4) in input pixels."""
    spec = model.config.input_spec
    for sample in data_set.samples:
        boxes = sample.boxes[~sample.is_uncounted]
        if len(boxes):
            image = sample.decode(spec)
            boxes = boxes_to_input(boxes, spec, (image.height, image.width))
            yield torch.from_numpy(fit(image.pixels, spec)), torch.from_numpy(boxes)


def by_scale(matches: ObjectMatches, input_size: int) -> tuple[NDArray[np.float64], list[NDArray[np.float64]]]:
    """The centres of NUM_BINS bins of scale, and the mean number of matched boxes of each bin, before and after.

    The mean of an empty bin is nan.
    """
    edges = np.linspace(0, input_size, NUM_BINS + 1)
    bins = np.clip(np.digitize(matches.scales, edges) - 1, 0, NUM_BINS - 1)
    counts = np.bincount(bins, minlength=NUM_BINS).astype(float)
    counts[counts == 0] = np.nan
    means = [np.bincount(bins, weights=own, minlength=NUM_BINS) / counts for own in (matches.before, matches.after)]
    return (edges[:-1] + edges[1:]) / 2, means
