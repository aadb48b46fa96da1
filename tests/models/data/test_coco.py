"""The MS COCO reader on a small set with crowds, images without objects and gaps in the ids."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from models.data.coco import read_coco
from models.data.data_set import DataError
from models.data.open import open_data_set
from tests.models.data.coco_files import CATEGORIES, annotation_file, write_coco


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
    with pytest.raises(
        DataError, match=r"instances_val2017\.json: annotation \d+: class 'toothbrush' is not one of car, cat"
    ):
        read_coco(coco_tree, "val2017", ("car", "cat"))


def test_the_error_about_a_missing_split_lists_the_existing_ones(coco_tree: Path) -> None:
    with pytest.raises(DataError, match=r"instances_test2017\.json: no such split; there are: val2017"):
        read_coco(coco_tree, "test2017")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ("[]", "not an annotation file of MS COCO: 'images' is missing or is no list of objects"),
        ("{}", "not an annotation file of MS COCO: 'images' is missing or is no list of objects"),
        ('{"images": [{}], "categories": []}', "'annotations' is missing or is no list of objects"),
        ('{"categories": [], "annotations": [], "images": []}', "it contains no images"),
        ('{"categories": 3, "annotations": [], "images": []}', "'categories' is missing or is no list of objects"),
        ('{"categories": [4], "annotations": [], "images": []}', "'categories' is missing or is no list of objects"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_the_error_names_a_broken_annotation_file(coco_tree: Path, text: str, message: str) -> None:
    (coco_tree / "annotations" / "instances_val2017.json").write_text(text)
    with pytest.raises(DataError, match=rf"instances_val2017\.json: .*{message}"):
        read_coco(coco_tree, "val2017")


def write_one(root: Path, annotation: dict[str, Any] | None = None, **changes: Any) -> Path:
    """A set of one image with one car, in which the fields of the annotation and the entries are changed."""
    car = {"id": 7, "image_id": 1, "category_id": 3, "bbox": [10, 20, 30, 40], "iscrowd": 0}
    image = {"id": 1, "file_name": "a.png", "height": 160, "width": 200}
    content = {"images": [image], "annotations": [{**car, **(annotation or {})}], "categories": CATEGORIES} | changes
    (root / "annotations").mkdir(parents=True)
    (root / "annotations" / "instances_val2017.json").write_text(json.dumps(content))
    (root / "val2017").mkdir()
    Image.new("RGB", (200, 160)).save(root / "val2017" / "a.png")
    return root


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bbox": [10, 20, 30, 40, 50]}, r"its bbox is \[10, 20, 30, 40, 50\]; write the numbers"),
        ({"bbox": None}, "its bbox is None"),
        ({"bbox": []}, r"its bbox is \[\]"),
        ({"bbox": {"x": 1}}, "its bbox is {'x': 1}"),
        ({"bbox": ["10", "20", "30", "40"]}, r"its bbox is \['10'"),
        ({"bbox": [10, 20, None, 40]}, r"its bbox is \[10, 20, None"),
        ({"bbox": [10, 20, True, 40]}, r"its bbox is \[10, 20, True"),
        ({"bbox": [10, 20, float("nan"), 40]}, "a coordinate of its box .* is not a finite number"),
        ({"bbox": [10, float("-inf"), 30, 40]}, "a coordinate of its box .* is not a finite number"),
        ({"bbox": [10, 20, 10**400, 40]}, "a coordinate of its box .* is not a finite number"),
        ({"bbox": None, "segmentation": {"counts": "abc", "size": [160, 200]}}, "its bbox is None"),
        ({"bbox": None, "segmentation": [[10, 20, 40, 30, 20, 25], [10, 20, 40]]}, "its bbox is None"),
        ({"image_id": 2}, "no image has its image_id 2; correct or remove it"),
        ({"image_id": "1"}, "no image has its image_id '1'"),
        ({"image_id": [1]}, r"no image has its image_id \[1\]"),
        ({"category_id": 4}, "no category has its category_id 4; correct or remove it"),
        ({"category_id": None}, "no category has its category_id None"),
        ({"iscrowd": "maybe"}, "iscrowd is 'maybe'; write 0 or 1"),
        ({"iscrowd": 2}, "iscrowd is 2; write 0 or 1"),
        ({"iscrowd": []}, r"iscrowd is \[\]; write 0 or 1"),
    ],
)
def test_the_error_names_the_annotation_and_its_fault(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=rf"instances_val2017\.json: annotation 7: {message}"):
        read_coco(write_one(tmp_path, change), "val2017")


IMAGE = {"id": 1, "file_name": "a.png", "height": 160, "width": 200}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": [IMAGE, {**IMAGE, "file_name": "b.png"}]}, r"image 1 \(b\.png\): another image has this id"),
        ({"images": [IMAGE, {**IMAGE, "id": 2}]}, r"image 2 \(a\.png\): another image has this file_name"),
        ({"images": [{**IMAGE, "id": None}]}, "image None has the file_name 'a.png'; give each image a number"),
        ({"images": [{**IMAGE, "file_name": 5}]}, "image 1 has the file_name 5; give each image"),
        ({"images": [{**IMAGE, "file_name": "../a.png"}]}, "image 1: '../a.png' is no file of the data set"),
        ({"images": [{**IMAGE, "file_name": "/data/a.png"}]}, "image 1: '/data/a.png' is no file of the data set"),
        ({"images": [{**IMAGE, "height": -1}]}, "image 1: the image's height is -1; write a number of pixels"),
        ({"images": [{**IMAGE, "width": "wide"}]}, "image 1: the image's width is 'wide'; write a number of pixels"),
        ({"categories": [*CATEGORIES, {"id": 3, "name": "bus"}]}, "two categories have the id 3; give each its own"),
        ({"categories": [{"id": 3}]}, "a category has the id 3 and the name None; give it a number and a name"),
        ({"categories": []}, "annotation 7: no category has its category_id 3"),
    ],
)
def test_the_error_names_the_image_or_category_and_its_fault(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=rf"instances_val2017\.json: {message}"):
        read_coco(write_one(tmp_path, **changes), "val2017")


def test_two_classes_of_one_name_are_an_error_if_both_have_objects(tmp_path: Path) -> None:
    categories = [{"id": 3, "name": "car"}, {"id": 4, "name": " car"}]
    boxes = [{"id": k, "image_id": 1, "category_id": k, "bbox": [10, 20, 30, 40]} for k in (3, 4)]
    with pytest.raises(DataError, match="the categories 3 and 4 are both called 'car'; rename one"):
        read_coco(write_one(tmp_path, categories=categories, annotations=boxes), "val2017")


@pytest.mark.parametrize("top", ["car", "vehicles"])
@pytest.mark.parametrize("first", [True, False])
def test_a_category_that_groups_the_others_is_no_class(tmp_path: Path, top: str, first: bool) -> None:
    group = {"id": 0 if first else 9, "name": top, "supercategory": "none"}
    classes = [{"id": k, "name": name, "supercategory": top} for k, name in ((3, "car"), (4, "bus"))]
    data_set = read_coco(write_one(tmp_path, categories=[group, *classes]), "val2017")
    assert data_set.classes == ("car", "bus")
    assert data_set.coco is not None
    assert data_set.coco.category_ids == (3, 4)
    assert data_set.samples[0].labels.tolist() == [0]
    assert f"(first: {group['id']}, '{top}')" in data_set.notes[0]


def test_a_category_that_is_its_own_supercategory_is_a_class(tmp_path: Path) -> None:
    categories = [{"id": 1, "name": "person", "supercategory": "person"}, {"id": 3, "name": "car"}]
    assert read_coco(write_one(tmp_path, categories=categories), "val2017").classes == ("person", "car")


@pytest.mark.parametrize(("flag", "is_crowd"), [("1", True), (True, True), ("true", True), ("0", False), (None, False)])
def test_iscrowd_may_be_a_text(tmp_path: Path, flag: object, is_crowd: bool) -> None:
    data_set = read_coco(write_one(tmp_path, {"iscrowd": flag}), "val2017")
    assert data_set.samples[0].is_crowd.tolist() == [is_crowd]


@pytest.mark.parametrize("size", [{"height": 0, "width": 0}, {"height": None}, {"height": "160.0", "width": 200.0}])
def test_a_size_may_be_unknown_or_a_float(tmp_path: Path, size: dict[str, Any]) -> None:
    data_set = read_coco(write_one(tmp_path, images=[{**IMAGE, **size}]), "val2017")
    assert data_set.samples[0].size == (160, 200)
    assert data_set.samples[0].boxes.tolist() == [[10, 20, 40, 60]]


def test_an_object_without_a_bbox_gets_the_box_around_its_polygons(tmp_path: Path) -> None:
    polygons = [[10, 20, 40, 30, 20, 25], [15, 60, 16, 61, 17, 50.5]]
    data_set = read_coco(write_one(tmp_path, {"bbox": None, "segmentation": polygons}), "val2017")
    assert data_set.samples[0].boxes.tolist() == [[10, 20, 40, 61]]
    assert "boxes around polygons, for want of a bbox: 1" in data_set.notes[0]


def test_the_notes_count_what_was_dropped_and_name_the_first(tmp_path: Path) -> None:
    boxes = [[10, 10, 0, 20], [10, 10, 20, -3], [250, 10, 20, 20], [-5, 10, 20, 20], [20, 20, 0, 0]]
    annotations = [{"id": k, "image_id": 1, "category_id": 3, "bbox": box} for k, box in enumerate(boxes)]
    root = write_one(tmp_path, annotations=annotations)
    data_set = read_coco(root, "val2017")
    path = root / "annotations" / "instances_val2017.json"
    assert data_set.num_dropped == 4
    assert data_set.notes == (
        f"dropped boxes with swapped corners or a negative size: 1 (first: {path}: annotation 1)",
        f"dropped boxes without area: 2 (first: {path}: annotation 0)",
        f"dropped boxes outside of their image: 1 (first: {path}: annotation 2)",
        f"clipped boxes that reach beyond their image: 1 (first: {path}: annotation 3)",
    )


def test_a_file_with_a_byte_order_mark_and_windows_paths_is_read(tmp_path: Path) -> None:
    root = write_one(tmp_path, images=[{**IMAGE, "file_name": "val2017\\a.png"}])
    path = root / "annotations" / "instances_val2017.json"
    path.write_text(path.read_text(), "utf-8-sig")
    assert read_coco(root, "val2017").samples[0].image_path == root / "val2017" / "a.png"


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
        read_coco(coco_tree, "val2017")
    (coco_tree / "val2017" / "000000001000.png").unlink()
    with pytest.raises(
        DataError,
        match=r"val2017/000000001000\.png: annotated, but the image is missing, and so are 1 others; searched ",
    ):
        read_coco(coco_tree, "val2017")
