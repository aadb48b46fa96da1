"""The MS COCO reader on a small set with crowds, images without objects and gaps in the ids."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.data.coco import read_coco
from models.data.data_set import DataError
from models.data.open import open_data_set
from tests.models.data.coco_files import annotation_file, write_coco


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


def test_samples_are_the_images_and_objects_of_the_file(coco_tree: Path, content: dict[str, Any]) -> None:
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
        assert sample.is_crowd.tolist() == [a["iscrowd"] == 1 for a in own]
    assert sum(len(sample.boxes) == 0 for sample in data_set.samples) == 3
    assert any(sample.is_crowd.any() for sample in data_set.samples)


@pytest.mark.parametrize("folder", ["val2017", "images/val2017", "images", "."])
def test_images_are_found_in_the_usual_folders(tmp_path: Path, content: dict[str, Any], folder: str) -> None:
    data_set = read_coco(write_coco(tmp_path, content, folder=folder), "val2017")
    assert data_set.samples[3].read_image().shape == (160, 200, 3)


def test_boxes_are_clipped_and_boxes_without_area_are_dropped_and_counted(
    tmp_path: Path, content: dict[str, Any]
) -> None:
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


def test_the_error_about_a_missing_split_lists_the_existing_ones(coco_tree: Path) -> None:
    with pytest.raises(DataError, match=r"instances_test2017\.json: no such split; there are: val2017"):
        read_coco(coco_tree, "test2017")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ("[]", "not an annotation file of MS COCO: it contains a list"),
        ("{}", "'categories' is missing"),
        ('{"categories": [], "annotations": [], "images": []}', "it contains no images"),
        ('{"categories": [], "annotations": [{"image_id": 1, "category_id": 5}], "images": []}', "5 is missing"),
        ('{"categories": 3, "annotations": [], "images": []}', "not iterable"),
    ],
)
def test_the_error_names_a_broken_annotation_file(coco_tree: Path, text: str, message: str) -> None:
    (coco_tree / "annotations" / "instances_val2017.json").write_text(text)
    with pytest.raises(DataError, match=rf"instances_val2017\.json: .*{message}"):
        read_coco(coco_tree, "val2017")


def test_a_split_without_annotations_can_only_be_detected(tmp_path: Path, content: dict[str, Any]) -> None:
    root = write_coco(tmp_path, content, folder="images/test2017")
    information = {key: content[key] for key in ("images", "categories")}
    (root / "annotations" / "image_info_test-dev2017.json").write_text(json.dumps(information))
    data_set = open_data_set(root, "test-dev2017", needs_annotations=False)
    assert not data_set.is_annotated
    assert data_set.classes == ("car", "cat", "toothbrush")
    assert data_set.coco is not None
    assert data_set.coco.image_ids == tuple(image["id"] for image in content["images"])
    assert data_set.samples[3].read_image().shape == (160, 200, 3)
    with pytest.raises(DataError, match="split test-dev2017 has no annotations, so nothing can be trained or measured"):
        open_data_set(root, "test-dev2017")


def test_the_error_names_a_missing_image(coco_tree: Path) -> None:
    (coco_tree / "val2017" / "000000000963.png").unlink()
    with pytest.raises(DataError, match=r"val2017/000000000963\.png: annotated, but the image is missing"):
        read_coco(coco_tree, "val2017").samples[1].read_image()
    (coco_tree / "val2017" / "000000001000.png").unlink()
    with pytest.raises(DataError, match=r"val2017/000000001000\.png: annotated, but the image is missing; searched "):
        read_coco(coco_tree, "val2017")
