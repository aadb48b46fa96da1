"""Results of an evaluation: average precision by class, IoU threshold and object size."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.evaluation.average_precision import AREA_RANGES, ClassResult, ImageResult, average_precision, mean_ap

IOU_THRESHOLDS = (0.5, 0.6, 0.7, 0.8)  # PASSD, Table 2


@dataclass(frozen=True)
class Evaluation:
    """AP by class at IoU .5, and the detections, from which AP at other thresholds and sizes is computed."""

    classes: tuple[str, ...]
    per_class: list[ClassResult]
    results: list[ImageResult]
    coco: dict[str, float] | None = None
    """MS COCO's own measures, if the data have its layout."""

    @property
    def headline(self) -> tuple[str, float]:
        """The benchmark's main measure, which decides the best checkpoint: AP50 of Pascal VOC, AP of MS COCO."""
        return ("AP", self.coco["AP"]) if self.coco else ("AP50", self.mean_ap)

    @property
    def mean_ap(self) -> float:
        return mean_ap(self.per_class)

    @property
    def summary(self) -> str:
        return ", ".join(f"{name} {r.all_points:.3f}" for name, r in zip(self.classes, self.per_class, strict=True))

    def table(self) -> str:
        """AP in per cent by class, threshold and size, as a table."""
        width = max(len(name) for name in (*self.classes, "mean"))
        lines = [f"{'class':{width}}  objects   AP50  AP50 (11 points)"]
        for name, result in zip(self.classes, self.per_class, strict=True):
            lines.append(
                f"{name:{width}}  {result.num_objects:7d}  {100 * result.all_points:5.2f}  "
                f"{100 * result.eleven_points:5.2f}"
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
