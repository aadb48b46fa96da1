"""The Pascal VOC reader on valid, damaged and unusual data; each error names its file."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.data.data_set import DataError
from models.data.voc import read_voc
from tests.models.pictures import CLASSES, annotation, draw

BCCD = Path(os.environ.get("BCCD", "data/bccd"))


def annotate(root: Path, name: str, *boxes: tuple[str, tuple[float, float, float, float]], extra: str = "") -> None:
    """Replace the annotation of one 128 x 96 image."""
    (root / "Annotations" / f"{name}.xml").write_text(annotation(128, 96, list(boxes), extra))


def test_boxes_equal_the_drawn_ones(voc_tree: Path) -> None:
    data_set = read_voc(voc_tree, "train")
    assert (data_set.name, data_set.split, data_set.classes, data_set.num_dropped) == ("voc", "train", CLASSES, 0)
    assert len(data_set.samples) == 6
    for seed, sample in enumerate(data_set.samples):
        picture = draw(seed)
        np.testing.assert_array_equal(sample.read_image(), picture.pixels)
        np.testing.assert_array_equal(sample.boxes, picture.boxes)
        np.testing.assert_array_equal(sample.labels, picture.labels)


def test_classes_may_be_given(voc_tree: Path) -> None:
    assert read_voc(voc_tree, "test", ("blue", "green", "red")).samples[0].labels.min() >= 1


def test_a_class_outside_the_given_ones_is_an_error(voc_tree: Path) -> None:
    annotate(voc_tree, "000006", ("purple", (1, 1, 20, 20)))
    with pytest.raises(DataError, match=r"000006\.xml: class 'purple' is not one of green, red"):
        read_voc(voc_tree, "test", CLASSES)


@pytest.mark.parametrize("box", [(5, 5, 5, 5), (5, 5, 5, 50), (50, 50, 20, 20), (200, 10, 230, 30), (-30, -30, 0, 0)])
def test_a_box_without_area_is_dropped_and_counted(voc_tree: Path, box: tuple[float, float, float, float]) -> None:
    annotate(voc_tree, "000000", ("red", box), ("red", (11, 21, 40, 50)))
    data_set = read_voc(voc_tree, "train")
    assert data_set.num_dropped == 1
    assert data_set.samples[0].boxes.tolist() == [[10, 20, 40, 50]]


def test_a_box_that_crosses_the_border_of_the_image_is_clipped(voc_tree: Path) -> None:
    annotate(voc_tree, "000000", ("red", (-9, 51, 300, 400)))
    assert read_voc(voc_tree, "train").samples[0].boxes.tolist() == [[0, 50, 128, 96]]


def test_an_image_may_have_no_objects(voc_tree: Path) -> None:
    annotate(voc_tree, "000000")
    sample = read_voc(voc_tree, "train").samples[0]
    assert sample.boxes.shape == (0, 4)
    assert sample.labels.shape == sample.is_difficult.shape == (0,)


def test_difficult_objects_are_marked(voc_tree: Path) -> None:
    annotate(voc_tree, "000000", ("red", (11, 21, 40, 50)), extra="<difficult>1</difficult>")
    assert read_voc(voc_tree, "train").samples[0].is_difficult.tolist() == [True]
    assert not read_voc(voc_tree, "train").samples[1].is_difficult.any()


def test_the_error_about_a_missing_split_lists_the_existing_ones(voc_tree: Path) -> None:
    with pytest.raises(DataError, match=r"val\.txt: no such split; there are: test, train"):
        read_voc(voc_tree, "val")


def test_an_empty_split_is_an_error(voc_tree: Path) -> None:
    (voc_tree / "ImageSets" / "Main" / "none.txt").write_text("\n")
    with pytest.raises(DataError, match=r"none\.txt: the split is empty"):
        read_voc(voc_tree, "none")


def test_a_split_file_that_is_not_text_is_an_error(voc_tree: Path) -> None:
    (voc_tree / "ImageSets" / "Main" / "odd.txt").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(DataError, match=r"odd\.txt: not a text file"):
        read_voc(voc_tree, "odd")


def test_the_error_names_a_missing_annotation(voc_tree: Path) -> None:
    (voc_tree / "Annotations" / "000002.xml").unlink()
    with pytest.raises(DataError, match=r"000002\.xml: listed in the split, but the annotation is missing"):
        read_voc(voc_tree, "train")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<annotation><object>",
        "<annotation><object><name>red</name></object></annotation>",
        annotation(128, 96, [("", (1, 1, 20, 20))]),
        annotation(128, 96, [("red", (1, 1, 20, 20))]).replace(">20<", ">twenty<"),
        annotation(128, 96, []).replace(">96<", "><"),
        '<?xml version="1.0" encoding="no-such-encoding"?><annotation/>',
    ],
)
def test_the_error_names_a_broken_annotation(voc_tree: Path, text: str) -> None:
    (voc_tree / "Annotations" / "000003.xml").write_text(text)
    with pytest.raises(DataError, match=r"000003\.xml: not a Pascal VOC annotation"):
        read_voc(voc_tree, "train")


def test_the_error_names_a_missing_image(voc_tree: Path) -> None:
    (voc_tree / "JPEGImages" / "000001.png").unlink()
    with pytest.raises(DataError, match=r"000001\.jpg: annotated, but the image is missing"):
        read_voc(voc_tree, "train")


def test_the_error_names_an_image_that_was_deleted_after_reading_the_split(voc_tree: Path) -> None:
    sample = read_voc(voc_tree, "train").samples[1]
    sample.image_path.unlink()
    with pytest.raises(DataError, match=r"000001\.png: annotated, but the image is missing"):
        sample.read_image()


@pytest.mark.parametrize("keep", [0, 20, 150])
def test_the_error_names_a_broken_image(voc_tree: Path, keep: int) -> None:
    sample = read_voc(voc_tree, "train").samples[1]
    sample.image_path.write_bytes(sample.image_path.read_bytes()[:keep])
    with pytest.raises(DataError, match=r"000001\.png: .*; replace the file or remove it from the split"):
        sample.read_image()


def rotate_image(root: Path) -> None:
    """Store image 000000 rotated by a quarter turn, with the EXIF tag that undoes it (orientation 6)."""
    (root / "JPEGImages" / "000000.png").unlink()
    exif = Image.Exif()
    exif[0x0112] = 6
    rotated = np.ascontiguousarray(np.rot90(draw(0).pixels))  # the tag means: turn clockwise by 90 degrees
    Image.fromarray(rotated).save(root / "JPEGImages" / "000000.jpg", exif=exif, quality=100, subsampling=0)


def test_an_image_is_rotated_upright_by_its_exif_tag(voc_tree: Path) -> None:
    rotate_image(voc_tree)
    image = read_voc(voc_tree, "train").samples[0].read_image()
    assert image.shape == (96, 128, 3)
    assert np.abs(image.astype(int) - draw(0).pixels).mean() < 3


def test_an_annotation_of_an_image_before_its_exif_rotation_is_an_error(voc_tree: Path) -> None:
    rotate_image(voc_tree)
    (voc_tree / "Annotations" / "000000.xml").write_text(annotation(96, 128, [("red", (1, 1, 20, 20))]))
    with pytest.raises(DataError, match=r"000000\.jpg: the annotation is for 96x128 pixels.*128x96.*EXIF"):
        read_voc(voc_tree, "train").samples[0].read_image()


@pytest.mark.skipif(not BCCD.is_dir(), reason="no BCCD blood cells; set BCCD to their folder")
def test_the_two_boxes_without_area_of_the_blood_cells_are_dropped() -> None:
    sets = {split: read_voc(BCCD, split, ("Platelets", "RBC", "WBC")) for split in ("trainval", "test")}
    assert [len(s.samples) for s in sets.values()] == [292, 72]
    assert sum(s.num_dropped for s in sets.values()) == 2
    assert sum(len(sample.boxes) for s in sets.values() for sample in s.samples) == 4155 + 372 + 361 - 2
