"""Average precision of MS COCO, computed by pycocotools, for data of any layout."""

import contextlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.data.coco import read_truth
from models.data.data_set import DataSet
from models.evaluation.average_precision import ImageResult

# The first six of COCOeval's summary, in its order. They are means over 101 recalls, of the best 100 detections of a
# class in an image. Small is below 32² pixels, large above 96².
NAMES = ("AP50:95", "AP50", "AP75", "AP small", "AP medium", "AP large")


@dataclass(frozen=True)
class CocoMeasures:
    """Means over the classes with objects, by name, and AP by class (K); nan if there are no such objects."""

    means: dict[str, float]
    ap75: tuple[float, ...]
    ap50_95: tuple[float, ...]


def coco_measures(data_set: DataSet, results: Sequence[ImageResult]) -> CocoMeasures:
    """The measures of a data set's images, in order."""
    from pycocotools.coco import COCO  # imported here, because it loads matplotlib
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        truth, found = COCO(), COCO()
        truth.dataset = coco_truth(data_set)
        found.dataset = {"images": truth.dataset["images"], "categories": truth.dataset["categories"]}
        found.dataset["annotations"] = [
            line | {"id": n, "area": line["bbox"][2] * line["bbox"][3], "iscrowd": 0}
            for n, line in enumerate(coco_results(data_set, results), 1)
        ]
        truth.createIndex()
        found.createIndex()
        evaluation = COCOeval(truth, found, "bbox")
        evaluation.params.imgIds = list(image_ids(data_set))
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    precision = evaluation.eval["precision"][..., 0, -1]  # (thresholds .5 to .95, recalls, classes) of all areas
    by_category = dict(zip(evaluation.params.catIds, np.moveaxis(_known(precision), 2, 0), strict=True))
    of_class = [by_category.get(id_, np.full((1, 1), np.nan)) for id_ in category_ids(data_set)]
    return CocoMeasures(
        dict(zip(NAMES, _known(evaluation.stats).tolist(), strict=False)),
        tuple(float(p[len(p) // 2].mean()) for p in of_class),
        tuple(float(p.mean()) for p in of_class),
    )


def _known(values: Any) -> Any:
    """pycocotools writes -1 if there are no objects."""
    return np.where(np.asarray(values) < 0, np.nan, values)


def category_ids(data_set: DataSet) -> Sequence[int]:
    """The id of each class: that of the annotation file (-1 if it lacks the class), else 1, 2 and so on."""
    return data_set.coco.category_ids if data_set.coco else range(1, len(data_set.classes) + 1)


def image_ids(data_set: DataSet) -> Sequence[int]:
    """The id of each image: that of the annotation file, else 1, 2 and so on."""
    return data_set.coco.image_ids if data_set.coco else range(1, len(data_set.samples) + 1)


def coco_truth(data_set: DataSet) -> dict[str, Any]:
    """The ground truth in MS COCO's format: the annotation file itself, or one made of samples of another layout.

    Difficult objects become crowds, because pycocotools leaves only crowds uncounted.
    """
    if data_set.coco:
        return read_truth(data_set.coco)
    annotations: list[dict[str, Any]] = []
    for image_id, sample in zip(image_ids(data_set), data_set.samples, strict=True):
        boxes = _xywh(sample.boxes)
        for box, label, is_uncounted in zip(boxes, sample.labels.tolist(), sample.is_uncounted.tolist(), strict=True):
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": label + 1,
                    "bbox": box,
                    "area": box[2] * box[3],
                    "iscrowd": int(is_uncounted),
                }
            )
    images = [
        {"id": image_id, "file_name": sample.image_path.name, "height": sample.size[0], "width": sample.size[1]}
        for image_id, sample in zip(image_ids(data_set), data_set.samples, strict=True)
    ]
    categories = [{"id": k, "name": name} for k, name in enumerate(data_set.classes, 1)]
    return {"info": {}, "images": images, "annotations": annotations, "categories": categories}


def coco_results(data_set: DataSet, results: Sequence[ImageResult]) -> Iterator[dict[str, Any]]:
    """The detections in MS COCO's format of results, with boxes (x, y, width, height).

    Detections of a class that the annotation file lacks are left out: no object can be of that class.
    """
    ids = category_ids(data_set)
    for image_id, result in zip(image_ids(data_set), results, strict=True):
        scores, labels = result.scores.astype(np.float64).tolist(), result.labels.tolist()
        for box, score, label in zip(_xywh(result.boxes), scores, labels, strict=True):
            if ids[label] >= 0:
                yield {"image_id": image_id, "category_id": ids[label], "bbox": box, "score": score}


def _xywh(boxes: Any) -> list[list[float]]:
    """boxes (N, 4) xyxy -> N lists x, y, width, height in double precision, as pycocotools computes."""
    exact = np.asarray(boxes, np.float64)
    lists: list[list[float]] = np.concatenate([exact[:, :2], exact[:, 2:] - exact[:, :2]], axis=1).tolist()
    return lists
