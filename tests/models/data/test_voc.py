"""The Pascal VOC reader on valid, damaged and unusual data; each error names its file."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.data.data_set import DataError
from models.data.voc import read_voc
from tests.models.pictures import CLASSES, annotation, draw

RED = annotation(128, 96, [("red", (1, 1, 20, 20))])
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
    with pytest.raises(DataError, match=r"000006\.xml: object 1 \(purple\): class 'purple' is not one of green, red"):
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


@pytest.mark.parametrize(
    ("text", "is_difficult"), [(" 1 ", True), ("True", True), ("yes", True), ("0", False), ("no", False), ("", False)]
)
def test_difficult_objects_are_marked(voc_tree: Path, text: str, is_difficult: bool) -> None:
    annotate(voc_tree, "000000", ("red", (11, 21, 40, 50)), extra=f"<difficult>{text}</difficult>")
    assert read_voc(voc_tree, "train").samples[0].is_difficult.tolist() == [is_difficult]
    assert not read_voc(voc_tree, "train").samples[1].is_difficult.any()


@pytest.mark.parametrize(
    "size",
    ["<width>128.0</width><height>96.0</height>", "<width>0</width><height>0</height>", "<width>128</width>", ""],
)
def test_a_size_may_be_a_float_or_unknown(voc_tree: Path, size: str) -> None:
    given = "<width>128</width><height>96</height><depth>3</depth>"
    path = voc_tree / "Annotations" / "000000.xml"
    path.write_text(annotation(128, 96, [("red", (11, 21, 400, 50))]).replace(given, size))
    data_set = read_voc(voc_tree, "train")
    assert data_set.samples[0].size == (96, 128)
    assert data_set.samples[0].boxes.tolist() == [[10, 20, 128, 50]]
    assert data_set.notes == (f"clipped boxes that reach beyond their image: 1 (first: {path}: object 1 (red))",)


def test_a_part_of_an_object_is_no_object(voc_tree: Path) -> None:
    part = "<part><name>head</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax></bndbox></part>"
    annotate(voc_tree, "000000", ("red", (11, 21, 40, 50)), extra=part)
    data_set = read_voc(voc_tree, "train")
    assert data_set.classes == CLASSES
    assert data_set.samples[0].boxes.tolist() == [[10, 20, 40, 50]]


@pytest.mark.parametrize(
    "polygon",
    [
        "<x1>11</x1><y1>50</y1><x2>40.0</x2><y2>30</y2><x3>20</x3><y3>21</y3>",
        "<pt><x>11</x><y>50</y></pt><pt><x>40</x><y>21</y></pt>",
    ],
)
def test_a_polygon_becomes_the_box_around_it(voc_tree: Path, polygon: str) -> None:
    (voc_tree / "Annotations" / "000000.xml").write_text(
        f"<annotation><object><name>red</name><polygon>{polygon}</polygon></object></annotation>"
    )
    data_set = read_voc(voc_tree, "train")
    assert data_set.samples[0].boxes.tolist() == [[10, 20, 40, 50]]
    assert "boxes around a polygon: 1" in data_set.notes[0]


@pytest.mark.parametrize("suffix", [".bmp", ".webp", ".gif", ".Jpg", ".JPEG", ".PnG"])
def test_an_image_may_have_any_format_that_the_server_reads(voc_tree: Path, suffix: str) -> None:
    (voc_tree / "JPEGImages" / "000000.png").unlink()
    path = voc_tree / "JPEGImages" / f"000000{suffix}"
    Image.fromarray(draw(0).pixels).save(path)
    sample = read_voc(voc_tree, "train").samples[0]
    assert sample.image_path == path
    assert sample.read_image().shape == (96, 128, 3)


def test_of_two_images_the_annotation_names_the_right_one(voc_tree: Path) -> None:
    images, path = voc_tree / "JPEGImages", voc_tree / "Annotations" / "000000.xml"
    Image.fromarray(draw(9).pixels).save(images / "000000.jpg")
    with pytest.raises(
        DataError, match=r"000000\.jpg: there is also 000000\.png; remove the one that is not annotated"
    ):
        read_voc(voc_tree, "train")
    path.write_text(path.read_text().replace("<annotation>", "<annotation><filename>000000.png</filename>"))
    assert read_voc(voc_tree, "train").samples[0].image_path == images / "000000.png"


def test_the_error_about_an_image_of_another_format_names_it(voc_tree: Path) -> None:
    (voc_tree / "JPEGImages" / "000001.png").rename(voc_tree / "JPEGImages" / "000001.tif")
    with pytest.raises(DataError, match=r"000001\.tif: images of this format are not read; convert it to PNG"):
        read_voc(voc_tree, "train")


def write_split(root: Path, text: str, encoding: str = "utf-8") -> None:
    (root / "ImageSets" / "Main" / "odd.txt").write_text(text, encoding)


def rename(root: Path, name: str, new: str) -> None:
    (root / "Annotations" / f"{name}.xml").rename(root / "Annotations" / f"{new}.xml")
    (root / "JPEGImages" / f"{name}.png").rename(root / "JPEGImages" / f"{new}.png")


def stems(root: Path, split: str = "odd") -> list[str]:
    return [sample.image_path.stem for sample in read_voc(root, split).samples]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_split_file_may_begin_with_a_byte_order_mark(voc_tree: Path, encoding: str) -> None:
    write_split(voc_tree, "000001\r\n\r\n000000\r\n", encoding)
    assert stems(voc_tree) == ["000001", "000000"]


def test_an_annotation_may_begin_with_a_byte_order_mark(voc_tree: Path) -> None:
    path = voc_tree / "Annotations" / "000000.xml"
    path.write_text(path.read_text(), "utf-8-sig")
    assert stems(voc_tree, "train")[0] == "000000"


def test_names_in_a_split_file_may_have_spaces_suffixes_and_folders(voc_tree: Path) -> None:
    rename(voc_tree, "000001", "000000 1")
    rename(voc_tree, "000002", "a.b")
    for folder in ("Annotations", "JPEGImages"):
        (voc_tree / folder / "more").mkdir()
    rename(voc_tree, "000003", "more/x")
    write_split(voc_tree, "000000 1\na.b\n000000.jpg\nmore\\x\n")
    assert stems(voc_tree) == ["000000 1", "a.b", "000000", "x"]


def test_all_images_of_a_split_of_one_class_are_read(voc_tree: Path) -> None:
    write_split(voc_tree, "000000  1\n000001 -1\n000002  0\n")
    data_set = read_voc(voc_tree, "odd")
    assert [sample.image_path.stem for sample in data_set.samples] == ["000000", "000001", "000002"]
    assert [len(sample.boxes) for sample in data_set.samples] == [2, 2, 2]
    assert data_set.notes[0].startswith("flags of one class (1, 0, -1) in the split's file, not used")
    assert ": 3 (first: " in data_set.notes[0]


def test_an_image_that_is_listed_twice_is_read_once_and_counted(voc_tree: Path) -> None:
    write_split(voc_tree, "000000\n000001\n000000\n")
    data_set = read_voc(voc_tree, "odd")
    assert len(data_set.samples) == 2
    assert data_set.notes[0].startswith("images listed twice in the split's file, read once: 1 (first: ")
    assert data_set.notes[0].endswith("odd.txt:3)")


@pytest.mark.parametrize("name", ["../other/a", "/etc/passwd", "C:\\data\\a", ".."])
def test_a_name_that_leads_out_of_the_tree_is_refused(voc_tree: Path, name: str) -> None:
    write_split(voc_tree, f"000000\n{name}\n")
    with pytest.raises(DataError, match=r"odd\.txt:2: .* is no file of the data set"):
        read_voc(voc_tree, "odd")


def test_the_error_about_a_missing_split_lists_the_existing_ones(voc_tree: Path) -> None:
    with pytest.raises(DataError, match=r"val\.txt: no such split; there are: test, train"):
        read_voc(voc_tree, "val")


def test_an_empty_split_is_an_error(voc_tree: Path) -> None:
    (voc_tree / "ImageSets" / "Main" / "none.txt").write_text("\n")
    with pytest.raises(DataError, match=r"none\.txt: the split is empty"):
        read_voc(voc_tree, "none")


def test_a_split_file_that_is_not_text_is_an_error(voc_tree: Path) -> None:
    (voc_tree / "ImageSets" / "Main" / "odd.txt").write_bytes(b"\xff\x00\x81")
    with pytest.raises(DataError, match=r"odd\.txt: not a text file"):
        read_voc(voc_tree, "odd")


def test_the_error_names_a_missing_annotation(voc_tree: Path) -> None:
    (voc_tree / "Annotations" / "000002.xml").unlink()
    with pytest.raises(DataError, match=r"000002\.xml: listed in the split, but the annotation is missing"):
        read_voc(voc_tree, "train")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not a Pascal VOC annotation: no element found"),
        ("<annotation><object>", "not a Pascal VOC annotation: no element found"),
        ('<?xml version="1.0" encoding="no-such-encoding"?><annotation/>', "not a Pascal VOC annotation: .*encoding"),
        ("<image/>", "the outermost tag is <image>; it must be <annotation>"),
        ('<annotation xmlns="http://x"/>', "its tags have an XML namespace; remove xmlns"),
        ("<annotation><objects><object/></objects></annotation>", "an object that is not an <object> directly in"),
        ("<annotation><Object/></annotation>", "an object that is not an <object> directly in"),
        (annotation(128, 96, []).replace(">96<", "><"), "the image's height is ''; write a number of pixels"),
        (annotation(128, 96, []).replace(">96<", ">96.5<"), "the image's height is '96.5'"),
        (annotation(128, 96, []).replace(">96<", ">-96<"), "the image's height is '-96'"),
        ("<annotation><object><name>red</name></object></annotation>", r"object 1 \(red\) has 0 bndbox; give it one"),
        (RED.replace("</bndbox>", "</bndbox><bndbox/>"), r"object 1 \(red\) has 2 bndbox; give it one"),
        (annotation(128, 96, [("", (1, 1, 20, 20))]), "object 1 has no name; write its class in <name>"),
        (RED.replace(">20<", ">twenty<"), r"object 1 \(red\): xmax is 'twenty'; write a number of pixels"),
        (RED.replace(">20<", ">nan<"), r"object 1 \(red\): xmax is 'nan'"),
        (RED.replace(">1<", ">-inf<"), r"object 1 \(red\): xmin is '-inf'"),
        (
            RED.replace("<bndbox>", "<difficult>perhaps</difficult><bndbox>"),
            r"object 1 \(red\): difficult is 'perhaps'; write 0 or 1",
        ),
    ],
)
def test_the_error_names_the_fault_of_an_annotation(voc_tree: Path, text: str, message: str) -> None:
    (voc_tree / "Annotations" / "000003.xml").write_text(text)
    with pytest.raises(DataError, match=rf"000003\.xml: .*{message}"):
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
