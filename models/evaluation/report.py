"""Results of an evaluation: average precision by class, IoU threshold and object size."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from models.data.data_set import DataSet
from models.evaluation.average_precision import AREA_RANGES, ClassResult, ImageResult, average_precision, mean_ap
from models.evaluation.coco import CocoMeasures, coco_measures

IOU_THRESHOLDS = (0.5, 0.6, 0.7, 0.8)  # PASSD, Table 2
DEFINITIONS = (
    "AP75 and AP50:95 of each class are MS COCO's too; the other lines and columns are Pascal VOC's, over all points"
)


@dataclass(frozen=True)
class Evaluation:
    """The detections in each image of a data set, from which all measures are computed when they are asked for."""

    data_set: DataSet
    results: list[ImageResult]

    @cached_property
    def per_class(self) -> list[ClassResult]:
        """Pascal VOC's AP by class at IoU .5."""
        return average_precision(self.results, len(self.classes))

    @cached_property
    def coco(self) -> CocoMeasures:
        """MS COCO's own measures, of data of any layout."""
        return coco_measures(self.data_set, self.results)

    @property
    def classes(self) -> tuple[str, ...]:
        return self.data_set.classes

    @property
    def measures(self) -> dict[str, float]:
        """The means by name: AP50 of Pascal VOC, AP75 and AP50:95 of MS COCO; nan if there are no objects."""
        return {"AP50": self.mean_ap, "AP75": self.coco.means["AP75"], "AP50:95": self.coco.means["AP50:95"]}

    @property
    def mean_ap(self) -> float:
        """The mean of Pascal VOC's AP50."""
        return mean_ap(self.per_class)

    @property
    def summary(self) -> str:
        """Pascal VOC's AP50 of each class, in a line that also stands beside other measures."""
        values = [f"{name} {r.all_points:.3f}" for name, r in zip(self.classes, self.per_class, strict=True)]
        return f"AP50 by class: {', '.join(values)}"

    def table(self) -> str:
        """AP in per cent by class, threshold and size, as a table."""
        width = max(len(name) for name in (*self.classes, "mean"))
        known = [result for result in self.per_class if result.num_objects]
        eleven = [result.eleven_points for result in known]
        rows: list[tuple[str, int, tuple[float, ...]]] = [
            (name, result.num_objects, (result.all_points, ap75, ap50_95, result.eleven_points))
            for name, result, ap75, ap50_95 in zip(
                self.classes, self.per_class, self.coco.ap75, self.coco.ap50_95, strict=True
            )
        ]
        means = (*self.measures.values(), float(np.mean(eleven)) if eleven else float("nan"))
        rows.append(("mean", sum(result.num_objects for result in known), means))
        lines = [f"{'class':{width}}  objects    AP50    AP75  AP50:95  AP50 (11 points)"]
        for name, num_objects, values in rows:
            ap50, ap75, ap50_95, eleven_points = (100 * value for value in values)
            cells = f"{ap50:6.2f}  {ap75:6.2f}   {ap50_95:6.2f}  {eleven_points:6.2f}"
            lines.append(f"{name:{width}}  {num_objects:7d}  {cells}")
        lines.append(f"mean AP at IoU .5 .6 .7 .8: {_per_cent(self.by_iou())}")
        lines.append(f"mean AP50 of small, medium and large objects: {_per_cent(self.by_size())}")
        coco = ", ".join(f"{name} {_per_cent([value])}" for name, value in self.coco.means.items())
        lines.append(f"MS COCO: {coco}")
        lines.append(DEFINITIONS)
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
