"""Average precision of anything that finds boxes in pictures: a checkpoint, a bundle's engine, a running server."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from tqdm import tqdm

from models.average_precision import AREA_RANGES, ClassResult, ImageResult, average_precision, mean_ap
from models.coco_average_precision import coco_average_precision
from models.data.annotations import DataSet, Sample
from models.detector import best_candidates, normalise
from service.bundle import InputSpec, NmsDefaults
from service.engine import Candidates, Engine
from service.postprocess import Detections, Options, default_options, postprocess
from service.preprocess import fit

MAX_DETECTIONS = 200  # PASSD §6.2
SCORE_THRESHOLD = 0.01  # PASSD §6.2
IOU_THRESHOLDS = (0.5, 0.6, 0.7, 0.8)  # PASSD, Table 2
BATCH_SIZE = 8


class TorchEngine:
    """A model as an engine: the reference that every other form is compared with."""

    name = "torch"
    description = "torch, fp32"

    def __init__(self, model: nn.Module) -> None:
        self.model: Any = model.eval()
        config: Any = model.config
        self.max_candidates: int = config.max_candidates

    @torch.inference_mode()
    def __call__(self, images: NDArray[np.uint8]) -> Candidates:
        device = next(self.model.parameters()).device
        predictions = self.model(normalise(torch.from_numpy(images).to(device)))
        boxes, scores = self.model.decode(predictions)
        boxes, scores, labels = best_candidates(boxes, scores, self.max_candidates)
        return Candidates(boxes.cpu().numpy(), scores.cpu().numpy(), labels.cpu().numpy())

    def close(self) -> None:
        """Nothing to give back."""


@dataclass(frozen=True)
class Evaluation:
    """AP by class at IoU .5, and the detections themselves, of which AP at other thresholds and sizes is made."""

    classes: tuple[str, ...]
    per_class: list[ClassResult]
    results: list[ImageResult]
    coco: dict[str, float] | None = None
    """MS COCO's own measures, where the data are of its layout."""

    @property
    def headline(self) -> tuple[str, float]:
        """The benchmark's own measure, by which checkpoints are chosen: AP50 of Pascal VOC, AP of MS COCO."""
        return ("AP", self.coco["AP"]) if self.coco else ("AP50", self.mean_ap)

    @property
    def mean_ap(self) -> float:
        return mean_ap(self.per_class)

    @property
    def summary(self) -> str:
        return ", ".join(f"{name} {r.all_points:.3f}" for name, r in zip(self.classes, self.per_class, strict=True))

    def table(self) -> str:
        """AP in per cent by class."""
        width = max(len(name) for name in (*self.classes, "mean"))
        lines = [f"{'class':{width}}  objects   AP50  AP50 (11 points)"]
        for name, result in zip(self.classes, self.per_class, strict=True):
            lines.append(
                f"{name:{width}}  {result.num_objects:7d}  {100 * result.all_points:5.2f}  {100 * result.eleven_points:5.2f}"
            )
        known = [result for result in self.per_class if result.num_objects]
        eleven = 100 * float(np.mean([r.eleven_points for r in known])) if known else float("nan")
        total = sum(result.num_objects for result in known)
        lines.append(f"{'mean':{width}}  {total:7d}  {100 * self.mean_ap:5.2f}  {eleven:5.2f}")
        lines.append(f"mean AP at IoU .5 .6 .7 .8: {_per_cent(self.by_iou())}")
        lines.append(f"mean AP50 of small, medium and large objects: {_per_cent(self.by_size())}")
        if self.coco:
            lines.append(f"MS COCO: {', '.join(f'{name} {_per_cent([value])}' for name, value in self.coco.items())}")
        return "\n".join(lines)

    def by_iou(self) -> list[float]:
        """Mean AP at the thresholds of PASSD's Table 2."""
        return [mean_ap(average_precision(self.results, len(self.classes), threshold)) for threshold in IOU_THRESHOLDS]

    def by_size(self) -> list[float]:
        """Mean AP50 of small, medium and large objects, as in PASSD's Tables 1 and 3."""
        ranges = AREA_RANGES.values()
        return [mean_ap(average_precision(self.results, len(self.classes), area_range=r)) for r in ranges]


def _per_cent(values: Sequence[float]) -> str:
    return " ".join(f"{100 * value:.2f}" for value in values)


def evaluation_options(nms: NmsDefaults) -> Options:
    """The bundle's NMS as it is measured: every detection above the paper's 0.01 counts, up to 200."""
    return default_options(nms.model_copy(update={"score_threshold": SCORE_THRESHOLD, "max_detections": MAX_DETECTIONS}))


def evaluate(engine: Engine, data_set: DataSet, spec: InputSpec, nms: NmsDefaults | None = None) -> Evaluation:
    """AP of an engine through the server's own pre- and post-processing."""
    options = evaluation_options(nms or NmsDefaults())
    found = detect_all(engine, data_set.samples, spec, options)
    return score(data_set, found)


def detect_all(
    engine: Engine, samples: Sequence[Sample], spec: InputSpec, options: Options, batch_size: int = BATCH_SIZE
) -> Iterator[Detections]:
    """The detections in each sample's picture, in order."""
    for start in range(0, len(samples), batch_size):
        images = [sample.decode(spec) for sample in samples[start : start + batch_size]]
        candidates = engine(np.stack([fit(image.pixels, spec) for image in images]))
        for row, image in enumerate(images):
            rows = candidates.boxes[row], candidates.scores[row], candidates.labels[row]
            yield postprocess(*rows, options, spec, (image.height, image.width))


def score(data_set: DataSet, found: Iterator[Detections]) -> Evaluation:
    """Compare the detections of each picture of a data set, in order, with what is there; shows its progress."""
    results = []
    pairs = zip(data_set.samples, found, strict=True)
    for sample, detections in tqdm(pairs, f"evaluating {data_set.split}", len(data_set.samples), unit="image", leave=False):
        results.append(
            ImageResult(
                detections.boxes, detections.scores, detections.labels, sample.boxes, sample.labels, sample.is_difficult
            )
        )
    coco = coco_average_precision(data_set.coco, results) if data_set.coco else None
    return Evaluation(data_set.classes, average_precision(results, len(data_set.classes)), results, coco)
