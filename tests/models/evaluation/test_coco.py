"""AP of MS COCO: equality with pycocotools on results in its own file format."""

import contextlib
import io
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.data.coco import read_coco
from models.data.data_set import DataSet, Sample
from models.evaluation.average_precision import ImageResult
from models.evaluation.coco import coco_measures
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
    assert [-1 if math.isnan(value) else value for value in evaluation.coco.means.values()] == expected
    assert 0.05 < expected[0] < 0.95
    assert evaluation.measures["AP50:95"] == expected[0]
    assert np.mean(evaluation.coco.ap50_95) == pytest.approx(expected[0])
    assert np.mean(evaluation.coco.ap75) == pytest.approx(expected[2])


def test_ap_is_1_if_all_objects_are_found_and_0_if_none_is(tmp_path: Path) -> None:
    data_set = read_coco(write_coco(tmp_path, annotation_file()), "val2017")
    everything, nothing = [], []
    for s in data_set.samples:
        easy = ~s.is_uncounted
        truth = (s.boxes, s.labels, s.is_uncounted)
        everything.append(ImageResult(s.boxes[easy], np.ones(easy.sum()), s.labels[easy], *truth))
        nothing.append(ImageResult(s.boxes[:0], np.ones(0), s.labels[:0], *truth))
    assert coco_measures(data_set, everything).means["AP50:95"] == pytest.approx(1)
    assert coco_measures(data_set, nothing).means["AP50:95"] == 0


def test_fields_that_pycocotools_demands_may_be_missing(tmp_path: Path) -> None:
    """pycocotools takes the id 0 for no match, and fails if there is no bbox, area or iscrowd."""
    content = annotation_file(num_images=3)
    x, y, width, height = content["annotations"][0]["bbox"]
    square = [x, y, x + width, y, x + width, y + height, x, y + height]
    content["annotations"] = [
        {"id": 0, "image_id": image["id"], "category_id": 3, "segmentation": [square]} for image in content["images"]
    ]
    data_set = read_coco(write_coco(tmp_path, content), "val2017")
    found = [ImageResult(s.boxes, np.ones(1), s.labels, s.boxes, s.labels, s.is_uncounted) for s in data_set.samples]
    assert coco_measures(data_set, found).means["AP50:95"] == pytest.approx(1)


@pytest.mark.parametrize("seed", range(2))
def test_another_layout_has_the_measures_of_the_same_data_in_coco_s_layout(tmp_path: Path, seed: int) -> None:
    """Of all sizes together: the sizes of objects in this layout are those of their masks."""
    coco = read_coco(write_coco(tmp_path, annotation_file(seed)), "val2017")
    other = replace(coco, coco=None)
    found = detections_for(coco, seed)
    expected, measures = (score(data_set, iter(found)).coco for data_set in (coco, other))
    assert measures.ap50_95 == pytest.approx(expected.ap50_95, abs=1e-9)
    assert measures.ap75 == pytest.approx(expected.ap75, abs=1e-9)


def test_a_difficult_object_counts_neither_for_nor_against() -> None:
    boxes = np.array([[0, 0, 10, 10], [20, 20, 60, 60]], np.float32)
    sample = Sample(Path("a.jpg"), (90, 90), boxes, np.zeros(2, np.int64), np.array([True, False]), np.zeros(2, bool))
    data_set = DataSet("one", "test", ("cell", "absent"), (sample,), 0)
    found = Detections(boxes, np.array([0.9, 0.8], np.float32), np.zeros(2, np.int32))
    evaluation = score(data_set, iter([found]))
    assert evaluation.measures == {"AP50": 1, "AP75": pytest.approx(1), "AP50:95": pytest.approx(1)}
    assert evaluation.coco.ap75[0] == pytest.approx(1)
    assert math.isnan(evaluation.coco.ap50_95[1])
    assert math.isnan(evaluation.coco.means["AP large"])
    assert "absent        0     nan     nan      nan     nan" in evaluation.table()
