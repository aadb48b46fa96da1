"""Data sets are opened by their layout, and joined."""

from pathlib import Path

import pytest

from models.data.data_set import DataError
from models.data.open import open_data_set, open_data_sets
from models.data.voc import read_voc
from tests.models.pictures import write_voc


def test_the_error_about_a_folder_without_a_data_set_says_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"not a data set; expected a Pascal VOC tree .*or MS COCO"):
        open_data_set(tmp_path, "train")


def test_several_trees_are_joined_with_the_classes_of_all(tmp_path: Path) -> None:
    roots = [write_voc(tmp_path / name, {"train": 2}) for name in ("first", "second")]
    for path in (roots[1] / "Annotations").iterdir():
        path.write_text(path.read_text().replace("red", "blue").replace("green", "blue"))
    joined = open_data_sets(roots, "train")
    assert (joined.name, joined.split, joined.classes) == ("first+second", "train", ("blue", "green", "red"))
    assert [sample.image_path.parent.parent.name for sample in joined.samples] == ["first"] * 2 + ["second"] * 2
    assert {label for sample in joined.samples[2:] for label in sample.labels.tolist()} == {0}
    assert {label for sample in joined.samples[:2] for label in sample.labels.tolist()} <= {1, 2}
    assert open_data_sets(roots[:1], "train").classes == read_voc(roots[0], "train").classes
