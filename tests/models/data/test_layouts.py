"""One data set in the layouts of Roboflow's exports and of Pascal VOC gives the same samples."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from models.data.data_set import DataError
from models.data.open import open_data_set
from tests.models.data.exports import SPLITS, write_coco_export, write_voc_export, write_yolo
from tests.models.pictures import CLASSES, draw, write_voc

Write = Callable[[Path], Path]


def write_voc_tree(root: Path) -> Path:
    return write_voc(root, {split: len(seeds) for split, seeds in SPLITS.items()})


@pytest.mark.parametrize("write", [write_voc_tree, write_voc_export, write_coco_export, write_yolo])
@pytest.mark.parametrize("split", ["train", "val", "valid", "test"])
def test_all_layouts_give_the_same_samples(tmp_path: Path, write: Write, split: str) -> None:
    data_set = open_data_set(write(tmp_path / "rectangles"), split)
    seeds = SPLITS["valid" if split == "val" else split]
    assert (data_set.name, data_set.classes, data_set.num_dropped) == ("rectangles", CLASSES, 0)
    assert [sample.image_path.stem for sample in data_set.samples] == [f"{seed:06}" for seed in seeds]
    for seed, sample in zip(seeds, data_set.samples, strict=True):
        picture = draw(seed)
        assert sample.size == (96, 128)
        np.testing.assert_array_equal(sample.read_image(), picture.pixels)
        np.testing.assert_allclose(sample.boxes, picture.boxes, atol=1e-4)
        np.testing.assert_array_equal(sample.labels, picture.labels)
        assert not sample.is_uncounted.any()


@pytest.mark.parametrize("write", [write_voc_export, write_coco_export, write_yolo])
def test_the_error_about_a_missing_split_lists_those_of_an_export(tmp_path: Path, write: Write) -> None:
    root = write(tmp_path / "rectangles")
    with pytest.raises(DataError, match=r"trainval.*: no such split; there are: test, train, val"):
        open_data_set(root, "trainval")


def test_images_without_an_annotation_beside_them_are_counted(tmp_path: Path) -> None:
    root = write_voc_export(tmp_path / "rectangles")
    (root / "train" / "000001.xml").unlink()
    data_set = open_data_set(root, "train")
    assert [sample.image_path.stem for sample in data_set.samples] == ["000000", "000002"]
    path = root / "train" / "000001.png"
    assert data_set.notes == (f"images without an annotation, not read: 1 (first: {path})",)


def test_a_folder_with_two_layouts_is_read_as_the_first_and_says_so(tmp_path: Path) -> None:
    root = write_voc_tree(tmp_path / "both")
    (root / "data.yaml").write_text("names: [green, red]")
    data_set = open_data_set(root, "train")
    assert "read as Pascal VOC" in data_set.notes[0]
    assert "it also has the layout YOLO" in data_set.notes[0]
    with pytest.raises(DataError, match=r"no such folder; expected one of"):
        open_data_set(root / "elsewhere", "train")
