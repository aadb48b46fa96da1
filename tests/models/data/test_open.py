"""Data sets are opened by their layout, and joined."""

from pathlib import Path

import pytest

from models.data.data_set import DataError
from models.data.open import open_data_set, open_data_sets
from models.data.voc import read_voc
from tests.models.data.coco_files import annotation_file, write_coco
from tests.models.pictures import annotation, write_voc


def test_the_error_about_a_folder_without_a_data_set_says_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(
        DataError,
        match=r"not a data set; expected one of: Pascal VOC: .*MS COCO: .*YOLO: .*Roboflow's COCO: .*'s Pascal VOC: ",
    ):
        open_data_set(tmp_path, "train")


def test_a_split_without_any_object_is_an_error_that_says_what_was_dropped(voc_tree: Path) -> None:
    for path in (voc_tree / "Annotations").iterdir():
        path.write_text(annotation(128, 96, [("red", (5, 5, 5, 5))]))
    with pytest.raises(DataError, match=r"train has no objects in its 6 images; dropped boxes without area: 6 .*check"):
        open_data_set(voc_tree, "train")


def test_a_data_set_of_images_without_objects_may_be_joined_to_another(voc_tree: Path, tmp_path: Path) -> None:
    background = write_voc(tmp_path / "background", {"train": 2})
    for path in (background / "Annotations").iterdir():
        path.write_text(annotation(128, 96, []))
    joined = open_data_sets([background, voc_tree], ["train"])
    assert [len(sample.boxes) for sample in joined.samples] == [0, 0, 2, 2, 2, 2, 2, 2]
    assert joined.notes == ("background/train: 2 images, 0 objects", "voc/train: 6 images, 12 objects")


def test_each_data_set_may_have_its_own_split(tmp_path: Path) -> None:
    roots = [write_voc(tmp_path / name, {"train": 2, "test": 1}) for name in "ab"]
    joined = open_data_sets(roots, ["train", "test"])
    assert [sample.image_path.stem for sample in joined.samples] == ["000000", "000001", "000002"]
    with pytest.raises(DataError, match="2 data sets and 3 splits: give one split, or one for each data set"):
        open_data_sets(roots, ["train", "test", "val"])


def test_a_split_that_is_given_twice_is_refused_and_two_splits_of_a_data_set_are_joined(tmp_path: Path) -> None:
    root = write_voc(tmp_path / "voc", {"train": 2, "val": 1})
    assert len(open_data_sets([root, root], ["train", "val"]).samples) == 3
    with pytest.raises(DataError, match="split train is given twice"):
        open_data_sets([root, root / ".." / "voc"], ["train"])


@pytest.mark.parametrize(("asked", "there"), [("val", "valid"), ("valid", "val"), ("validation", "val")])
def test_the_validation_split_is_found_under_its_other_names(tmp_path: Path, asked: str, there: str) -> None:
    data_set = open_data_set(write_voc(tmp_path / "voc", {there: 2}), asked)
    assert data_set.split == there
    assert data_set.notes == (f"there is no split {asked}, so {there} was read",)


def test_joined_sets_of_coco_say_what_is_measured(tmp_path: Path) -> None:
    roots = [write_coco(tmp_path / name, annotation_file()) for name in ("first", "second")]
    joined = open_data_sets(roots, ["val2017"])
    assert joined.coco is None
    assert joined.notes[-1].startswith("AP is of all parts together; objects are small or large by their boxes")


def test_several_trees_are_joined_with_the_classes_of_all(tmp_path: Path) -> None:
    roots = [write_voc(tmp_path / name, {"train": 2}) for name in ("first", "second")]
    for path in (roots[1] / "Annotations").iterdir():
        path.write_text(path.read_text().replace("red", "blue").replace("green", "blue"))
    joined = open_data_sets(roots, ["train"])
    assert (joined.name, joined.split, joined.classes) == ("first+second", "train", ("blue", "green", "red"))
    assert [sample.image_path.parent.parent.name for sample in joined.samples] == ["first"] * 2 + ["second"] * 2
    assert {label for sample in joined.samples[2:] for label in sample.labels.tolist()} == {0}
    assert {label for sample in joined.samples[:2] for label in sample.labels.tolist()} <= {1, 2}
    assert open_data_sets(roots[:1], ["train"]).classes == read_voc(roots[0], "train").classes
