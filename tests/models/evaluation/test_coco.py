"""AP of MS COCO: equality with pycocotools on results in its own file format."""

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.data.coco import read_coco
from models.data.data_set import DataSet
from models.evaluation.average_precision import ImageResult
from models.evaluation.coco import coco_average_precision
from models.evaluation.evaluate import score
from service.detection.postprocess import Detections
from tests.models.data.coco_files import CATEGORIES, annotation_file, write_coco


def detections_for(data_set: DataSet, seed: int) -> list[Detections]:
    """Noisy detections of each image's objects, a tenth of them with a random class, and some false detections."""
    rng = np.random.default_rng(seed)
    found = []
    for sample in data_set.samples:
        near = np.repeat(sample.boxes, 2, axis=0) + rng.normal(0, 3, (2 * len(sample.boxes), 4))
        boxes = np.concatenate([near, rng.uniform(0, 60, (3, 4)) + np.array([0, 0, 60, 60])]).astype(np.float32)
        labels = np.concatenate([np.repeat(sample.labels, 2), rng.integers(0, 3, 3)]).astype(np.int32)
        wrong = rng.random(len(labels)) < 0.1
        labels[wrong] = rng.integers(0, 3, wrong.sum())
        scores = np.sort(rng.uniform(0.01, 1, len(boxes)))[::-1].astype(np.float32)
        order = rng.permutation(len(boxes))
        found.append(Detections(boxes[order], scores, labels[order]))
    return found


def pycocotools_summary(
    path: Path, content: dict[str, Any], classes: tuple[str, ...], found: list[Detections]
) -> list[float]:
    """The first six values of COCOeval's summary, from a results file as for a submission."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    ids = {category["name"]: category["id"] for category in CATEGORIES}
    results = [
        {
            "image_id": image["id"],
            "category_id": ids[classes[label]],
            "bbox": [float(x1), float(y1), float(x2) - float(x1), float(y2) - float(y1)],
            "score": float(score),
        }
        for image, detections in zip(content["images"], found, strict=True)
        for (x1, y1, x2, y2), score, label in zip(detections.boxes, detections.scores, detections.labels, strict=True)
    ]
    (path.parent / "results.json").write_text(json.dumps(results))
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(path))
        evaluation = COCOeval(truth, truth.loadRes(str(path.parent / "results.json")), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return [float(value) for value in evaluation.stats[:6]]


@pytest.mark.parametrize("seed", range(4))
def test_ap_equals_that_of_pycocotools(tmp_path: Path, seed: int) -> None:
    content = annotation_file(seed, 24)
    tree = write_coco(tmp_path, content)
    data_set = read_coco(tree, "val2017", ("toothbrush", "cat", "car"))
    found = detections_for(data_set, seed)
    evaluation = score(data_set, iter(found))
    expected = pycocotools_summary(tree / "annotations" / "instances_val2017.json", content, data_set.classes, found)
    assert evaluation.coco is not None
    assert list(evaluation.coco.values()) == expected
    assert 0.05 < expected[0] < 0.95
    assert evaluation.headline == ("AP", expected[0])


def test_ap_is_1_if_all_objects_are_found_and_0_if_none_is(tmp_path: Path) -> None:
    data_set = read_coco(write_coco(tmp_path, annotation_file()), "val2017")
    assert data_set.coco is not None
    everything, nothing = [], []
    for s in data_set.samples:
        easy = ~s.is_uncounted
        truth = (s.boxes, s.labels, s.is_uncounted)
        everything.append(ImageResult(s.boxes[easy], np.ones(easy.sum()), s.labels[easy], *truth))
        nothing.append(ImageResult(s.boxes[:0], np.ones(0), s.labels[:0], *truth))
    assert coco_average_precision(data_set.coco, everything)["AP"] == pytest.approx(1)
    assert coco_average_precision(data_set.coco, nothing)["AP"] == 0
