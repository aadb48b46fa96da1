"""Average precision of MS COCO, computed by pycocotools."""

import contextlib
import io
from collections.abc import Sequence

import numpy as np

from models.data.data_set import CocoSource
from models.evaluation.average_precision import ImageResult

NAMES = ("AP", "AP50", "AP75", "AP small", "AP medium", "AP large")  # the first six of COCOeval's summary, in its order


def coco_average_precision(source: CocoSource, results: Sequence[ImageResult]) -> dict[str, float]:
    """AP over IoU .5 to .95 and its parts, by name; -1 if there are no such objects, as in pycocotools."""
    from pycocotools.coco import COCO  # imported here, because it loads matplotlib
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(source.annotations))
        found = COCO()
        found.dataset = {
            "images": truth.dataset["images"],
            "categories": truth.dataset["categories"],
            "annotations": _annotations(source, results),
        }
        found.createIndex()
        evaluation = COCOeval(truth, found, "bbox")
        evaluation.params.imgIds = list(source.image_ids)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return dict(zip(NAMES, (float(value) for value in evaluation.stats), strict=False))


def _annotations(source: CocoSource, results: Sequence[ImageResult]) -> list[dict[str, object]]:
    """The detections in COCO's result format, with boxes (x, y, width, height)."""
    annotations: list[dict[str, object]] = []
    for image_id, result in zip(source.image_ids, results, strict=True):
        boxes = result.boxes.astype(np.float64)
        sizes = boxes[:, 2:] - boxes[:, :2]
        for box, size, score, label in zip(boxes, sizes, result.scores, result.labels, strict=True):
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": source.category_ids[label],
                    "bbox": [*box[:2].tolist(), *size.tolist()],
                    "area": float(size.prod()),
                    "iscrowd": 0,
                    "score": float(score),
                }
            )
    return annotations
