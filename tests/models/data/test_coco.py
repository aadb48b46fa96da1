"""The MS COCO reader and AP on a small set with crowds, empty pictures and gaps in the ids."""

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from models.data.annotations import DataError, DataSet
from models.data.coco import read_coco
from models.data.open import open_data_set
from models.evaluation.average_precision import ImageResult
from models.evaluation.coco import coco_average_precision
from models.evaluation.evaluate import score
from service.detection.postprocess import Detections

CATEGORIES = [{"id": 90, "name": "toothbrush"}, {"id": 3, "name": "car"}, {"id": 17, "name": "cat"}]
CAR, CAT, TOOTHBRUSH = 0, 1, 2  # in the order of the ids


def annotation_file(seed: int = 0, num_images: int = 12) -> dict[str, Any]:
    """Pictures of 200 x 160 pixels with ids of gaps, in no order; every fourth is empty, every third has a crowd."""
    rng = np.random.default_rng(seed)
    images, annotations = [], []
    for n in range(num_images):
        image_id = 1000 - 37 * n
        images.append({"id": image_id, "file_name": f"{image_id:012}.png", "height": 160, "width": 200})
        for k in range(0 if n % 4 == 0 else int(rng.integers(1, 5))):
            x, y = rng.uniform(0, 100, 2)
            w, h = rng.uniform(5, 60, 2) if k % 2 else rng.uniform(40, 99, 2)
            annotations.append(
                {
                    "id": 500 + 7 * len(annotations),
                    "image_id": image_id,
                    "category_id": int(rng.choice([3, 17, 90])),
                    "bbox": [float(x), float(y), float(w), min(float(h), 160 - float(y))],
                    "area": float(w * min(h, 160 - y)) * 0.8,
                    "iscrowd": int(k == 0 and n % 3 == 0),
                }
            )
    return {"images": images, "annotations": annotations, "categories": CATEGORIES}


def write_coco(root: Path, content: dict[str, Any], split: str = "val2017", folder: str = "val2017") -> Path:
    (root / "annotations").mkdir(parents=True, exist_ok=True)
    (root / "annotations" / f"instances_{split}.json").write_text(json.dumps(content))
    (root / folder).mkdir(parents=True, exist_ok=True)
    for image in content["images"]:
        Image.new("RGB", (image["width"], image["height"])).save(root / folder / image["file_name"])
    return root


@pytest.fixture
def content() -> dict[str, Any]:
    return annotation_file()


@pytest.fixture
def coco_tree(tmp_path: Path, content: dict[str, Any]) -> Path:
    return write_coco(tmp_path / "coco", content)


def test_classes_are_the_categories_in_the_order_of_their_ids(coco_tree: Path) -> None:
    data_set = open_data_set(coco_tree, "val2017")
    assert data_set.classes == ("car", "cat", "toothbrush")
    assert data_set.coco is not None
    assert data_set.coco.category_ids == (3, 17, 90)


def test_samples_are_the_files_pictures_and_objects(coco_tree: Path, content: dict[str, Any]) -> None:
    data_set = read_coco(coco_tree, "val2017")
    assert len(data_set.samples) == 12
    assert data_set.num_dropped == 0
    assert data_set.coco is not None
    for image, sample, image_id in zip(content["images"], data_set.samples, data_set.coco.image_ids, strict=True):
        own = [a for a in content["annotations"] if a["image_id"] == image["id"]]
        assert image_id == image["id"]
        assert sample.read_image().shape == (160, 200, 3)
        expected = [[x, y, x + w, y + h] for x, y, w, h in (a["bbox"] for a in own)]
        np.testing.assert_allclose(sample.boxes, np.array(expected).reshape(-1, 4), rtol=1e-6)
        assert [data_set.coco.category_ids[label] for label in sample.labels] == [a["category_id"] for a in own]
        assert sample.is_difficult.tolist() == [a["iscrowd"] == 1 for a in own]
    assert sum(len(sample.boxes) == 0 for sample in data_set.samples) == 3
    assert any(sample.is_difficult.any() for sample in data_set.samples)


@pytest.mark.parametrize("folder", ["val2017", "images/val2017", "images", "."])
def test_pictures_are_found_in_the_usual_folders(tmp_path: Path, content: dict[str, Any], folder: str) -> None:
    data_set = read_coco(write_coco(tmp_path, content, folder=folder), "val2017")
    assert data_set.samples[3].read_image().shape == (160, 200, 3)


def test_boxes_are_clipped_and_those_without_area_dropped_and_counted(tmp_path: Path, content: dict[str, Any]) -> None:
    boxes = [[-5.0, 10, 30, 500], [10, 10, 0, 20], [10, 10, 20, -3], [250, 10, 20, 20]]
    content["annotations"] = [{"id": i, "image_id": 1000, "category_id": 3, "bbox": box} for i, box in enumerate(boxes)]
    data_set = read_coco(write_coco(tmp_path, content), "val2017")
    assert data_set.samples[0].boxes.tolist() == [[0, 10, 25, 160]]
    assert data_set.num_dropped == 3


def test_classes_may_be_given(coco_tree: Path) -> None:
    data_set = read_coco(coco_tree, "val2017", ("toothbrush", "dog", "cat", "car"))
    assert data_set.coco is not None
    assert data_set.coco.category_ids == (90, -1, 17, 3)
    with pytest.raises(DataError, match=r"instances_val2017\.json: class 'toothbrush' is not one of car, cat"):
        read_coco(coco_tree, "val2017", ("car", "cat"))


def test_a_missing_split_lists_those_that_are_there(coco_tree: Path) -> None:
    with pytest.raises(DataError, match=r"instances_test2017\.json: no such split; there are: val2017"):
        read_coco(coco_tree, "test2017")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ("[]", "not an annotation file of MS COCO: it holds a list"),
        ("{}", "'categories' is missing"),
        ('{"categories": [], "annotations": [], "images": []}', "it has no images"),
        ('{"categories": [], "annotations": [{"image_id": 1, "category_id": 5}], "images": []}', "5 is missing"),
        ('{"categories": 3, "annotations": [], "images": []}', "not iterable"),
    ],
)
def test_a_broken_annotation_file_is_named(coco_tree: Path, text: str, message: str) -> None:
    (coco_tree / "annotations" / "instances_val2017.json").write_text(text)
    with pytest.raises(DataError, match=rf"instances_val2017\.json: .*{message}"):
        read_coco(coco_tree, "val2017")


def test_missing_pictures_are_named(coco_tree: Path) -> None:
    (coco_tree / "val2017" / "000000000963.png").unlink()
    with pytest.raises(DataError, match=r"val2017/000000000963\.png: annotated, but the picture is missing"):
        read_coco(coco_tree, "val2017").samples[1].read_image()
    (coco_tree / "val2017" / "000000001000.png").unlink()
    with pytest.raises(
        DataError, match=r"val2017/000000001000\.png: annotated, but the picture is missing; looked in "
    ):
        read_coco(coco_tree, "val2017")


def detections_for(data_set: DataSet, seed: int) -> list[Detections]:
    """Noisy detections of each picture's objects, of the wrong class now and then, and some of nothing."""
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


def pycocotools_itself(
    path: Path, content: dict[str, Any], classes: tuple[str, ...], found: list[Detections]
) -> list[float]:
    """The first six of COCOeval's summary, from a file of results as one would submit it."""
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
def test_ap_is_that_of_pycocotools(tmp_path: Path, seed: int) -> None:
    content = annotation_file(seed, 24)
    tree = write_coco(tmp_path, content)
    data_set = read_coco(tree, "val2017", ("toothbrush", "cat", "car"))
    found = detections_for(data_set, seed)
    evaluation = score(data_set, iter(found))
    expected = pycocotools_itself(tree / "annotations" / "instances_val2017.json", content, data_set.classes, found)
    assert evaluation.coco is not None
    assert list(evaluation.coco.values()) == expected
    assert 0.05 < expected[0] < 0.95
    assert evaluation.headline == ("AP", expected[0])


def test_finding_everything_is_1_and_nothing_0(coco_tree: Path) -> None:
    data_set = read_coco(coco_tree, "val2017")
    assert data_set.coco is not None
    everything, nothing = [], []
    for s in data_set.samples:
        easy = ~s.is_difficult
        truth = (s.boxes, s.labels, s.is_difficult)
        everything.append(ImageResult(s.boxes[easy], np.ones(easy.sum()), s.labels[easy], *truth))
        nothing.append(ImageResult(s.boxes[:0], np.ones(0), s.labels[:0], *truth))
    assert coco_average_precision(data_set.coco, everything)["AP"] == pytest.approx(1)
    assert coco_average_precision(data_set.coco, nothing)["AP"] == 0
