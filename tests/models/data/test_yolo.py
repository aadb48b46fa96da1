"""The YOLO reader on what Ultralytics accepts, and on what it cannot mean."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from models.data.data_set import DataError
from models.data.open import open_data_set
from models.data.yolo import label_path, read_yolo
from tests.models.data.exports import write_yolo
from tests.models.pictures import draw


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A data set as Roboflow exports it: 3 images in train, 2 in valid, 2 in test."""
    return write_yolo(tmp_path / "rectangles")


def write_yaml(root: Path, **content: Any) -> Path:
    path = root / "data.yaml"
    path.write_text(yaml.safe_dump({"names": ["green", "red"], "train": "train/images", **content}))
    return path


def stems(root: Path, split: str = "train") -> list[str]:
    return [sample.image_path.stem for sample in read_yolo(root, split).samples]


def label(root: Path, text: str, encoding: str = "utf-8") -> Path:
    """Replace the labels of the first image, of 128 x 96 pixels."""
    path = root / "train" / "labels" / "000000.txt"
    path.write_text(text, encoding)
    return path


def test_the_data_set_may_be_named_by_its_yaml_file(root: Path) -> None:
    path = (root / "data.yaml").rename(root / "rectangles.yaml")
    for named in (path, root):
        data_set = open_data_set(named, "train")
        assert (data_set.name, data_set.split, len(data_set.samples)) == ("rectangles", "train", 3)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"train": "train/images"}, "012"),
        ({"train": "../train/images"}, "012"),
        ({"train": "./train/images/"}, "012"),
        ({"train": "train"}, "012"),  # with all folders in it
        ({"train": ["train/images", "valid/images"]}, "01234"),
        ({"path": ".", "train": "train/images"}, "012"),
        ({"path": "../rectangles", "train": "train/images"}, "012"),
        ({"path": "/content/rectangles", "train": "train/images"}, "012"),
        ({"path": "rectangles", "train": "../train/images"}, "012"),
        ({"train": "list.txt"}, "20"),
        ({"train": ["list.txt", "test/images"]}, "2056"),
    ],
)
def test_a_split_is_a_folder_a_list_of_folders_or_a_text_file(
    root: Path, content: dict[str, Any], expected: str
) -> None:
    lines = [str(root / "train" / "images" / "000002.png"), "", "./train/images/000000.png"]
    (root / "list.txt").write_text("\r\n".join(lines), "utf-8-sig")
    write_yaml(root, **content)
    assert stems(root) == [f"00000{digit}" for digit in expected]


def test_a_folder_that_was_found_in_another_place_is_named(root: Path) -> None:
    folder = root / "train" / "images"
    note = f"../train/images does not exist as {root / 'data.yaml'}: train writes it, so {folder} was read"
    assert read_yolo(root, "train").notes == (note,)


@pytest.mark.parametrize(
    ("names", "classes"),
    [
        (["b", "a"], ("b", "a")),
        ({0: "b", 1: "a"}, ("b", "a")),
        ({"1": "a", "0": "b"}, ("b", "a")),
        ([7, " a "], ("7", "a")),
        (None, ("class_0", "class_1")),
    ],
)
def test_names_are_a_list_a_map_or_only_a_number(root: Path, names: object, classes: tuple[str, ...]) -> None:
    write_yaml(root, names=names, nc=2)
    assert read_yolo(root, "train").classes == classes


def test_classes_may_be_given(root: Path) -> None:
    data_set = read_yolo(root, "train", ("red", "blue", "green"))
    np.testing.assert_array_equal(data_set.samples[0].labels, 2 - 2 * draw(0).labels)
    with pytest.raises(DataError, match=r"train/labels/00000\d\.txt:\d: class '(red|green)' is not one of blue"):
        read_yolo(root, "train", ("blue",))


def test_rows_are_boxes_or_polygons_in_shares_of_the_upright_image(root: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the file has 128 x 96 pixels, and is shown with 96 x 128
    Image.fromarray(draw(0).pixels).save(root / "train" / "images" / "000000.png", exif=exif)
    label(root, "\n1.0 0.5 0.5 0.25 0.5\n0 0.25 0.75 0.5 0.25 0.75 0.5\r\n", "utf-8-sig")
    sample = read_yolo(root, "train").samples[0]
    assert sample.size == (128, 96)
    assert sample.read_image().shape == (128, 96, 3)
    assert sample.boxes.tolist() == [[36, 32, 60, 96], [24, 32, 72, 96]]
    assert sample.labels.tolist() == [1, 0]


def test_images_with_an_empty_label_file_or_none_have_no_objects_and_are_counted(root: Path) -> None:
    write_yaml(root)
    labels = root / "train" / "labels"
    label(root, " \n")
    (labels / "000001.txt").unlink()
    (labels / "000009.txt").write_text("0 0.5 0.5 0.5 0.5")
    (root / "train" / "images" / "000003.tif").write_bytes(b"")
    data_set = read_yolo(root, "train")
    assert [len(sample.boxes) for sample in data_set.samples] == [0, 0, 2]
    assert data_set.notes == (
        f"images of a format that is not read (convert them to PNG): 1 (first: {root}/train/images/000003.tif)",
        f"label files without an image, not read: 1 (first: {labels}/000009.txt)",
        f"images with an empty label file, which have no objects: 1 (first: {labels}/000000.txt)",
        f"images without a label file, which therefore have no objects: 1 (first: {labels}/000001.txt)",
    )


def test_a_data_set_whose_labels_are_not_found_is_an_error(root: Path) -> None:
    (root / "train" / "labels").rename(root / "train" / "texts")
    with pytest.raises(DataError, match=r"no objects in its 3 images.*without a label file.*: 3 .*labels/000000\.txt"):
        open_data_set(root, "train")


def test_the_last_folder_called_images_is_replaced() -> None:
    assert label_path(Path("/images/x/images/a.b.jpg")) == Path("/images/x/labels/a.b.txt")
    assert label_path(Path("/data/a.jpg")) == Path("/data/a.txt")


def test_an_image_that_is_listed_twice_is_read_once_and_counted(root: Path) -> None:
    write_yaml(root, train=["train/images", "train"])
    data_set = read_yolo(root, "train")
    assert len(data_set.samples) == 3
    assert data_set.notes[0].startswith("images listed twice, read once: 3 ")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("0 0.5 0.5 0.5", "a row of 4 numbers; write a class and the box's"),
        ("0 0.5 0.5 0.5 0.5 0.9", "a row of 6 numbers"),
        ("0 0.1 0.1 0.2 0.2 0.3 0.3 0.4", "a row of 8 numbers"),
        ("0", "a row of 1 numbers"),
        ("red 0.5 0.5 0.5 0.5", "'red 0.5 0.5 0.5 0.5' is not a row of numbers"),
        ("0,0.5,0.5,0.5,0.5", "is not a row of numbers"),
        ("2 0.5 0.5 0.5 0.5", "the class is 2; data.yaml has the classes 0 to 1"),
        ("-1 0.5 0.5 0.5 0.5", "the class is -1"),
        ("0.5 0.5 0.5 0.5 0.5", "the class is 0.5"),
        ("nan 0.5 0.5 0.5 0.5", "the class is nan"),
        ("0 nan 0.5 0.5 0.5", "a coordinate is outside of 0 to 1"),
        ("0 0.5 inf 0.5 0.5", "a coordinate is outside of 0 to 1"),
        ("0 64 48 20 20", "a coordinate is outside of 0 to 1; divide by the image's width and height"),
        ("0 0.5 -0.2 0.5 0.5", "a coordinate is outside of 0 to 1"),
        ("0 0.1 0.1 0.2 0.2 1.3 0.3", "a coordinate is outside of 0 to 1"),
    ],
)
def test_the_error_names_the_row_and_its_fault(root: Path, row: str, message: str) -> None:
    path = label(root, f"0 0.5 0.5 0.5 0.5\n{row}\n")
    with pytest.raises(DataError) as error:
        read_yolo(root, "train")
    assert str(error.value).startswith(f"{path}:2: ")
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"names": ["a"], "nc": 2}, "nc is 2, but there are 1 names"),
        ({"names": ["a", "a"]}, "names has a class twice"),
        ({"names": [True, "b"]}, "put each name in quotes"),
        ({"names": []}, r"names is \[\]; write a list"),
        ({"names": "a, b"}, "names is 'a, b'; write a list"),
        ({"names": {0: "a", 2: "b"}}, "names has the keys 0, 2; number the classes from 0 without gaps"),
        ({"names": None}, "there are no classes"),
        ({"nc": "two"}, "nc is 'two'; write the number of classes"),
        ({"kpt_shape": [17, 3]}, "its labels have key points"),
        ({"path": 3}, "path is 3; write the folder"),
        ({"train": 5}, "train: 5 is no path"),
        ({"train": "missing/images"}, "train: missing/images does not exist; searched .*rectangles/missing/images"),
        ({"train": "empty"}, "train: there are no images in empty"),
        ({"train": "list.txt"}, r"list\.txt:1: .*rectangles/a\.png is missing; add it, or remove the line"),
        ({"train": "texts.txt"}, r"texts\.txt:1: list\.txt is no image that is read"),
    ],
)
def test_the_error_names_the_fault_of_data_yaml(root: Path, content: dict[str, Any], message: str) -> None:
    (root / "empty").mkdir()
    (root / "list.txt").write_text("a.png\n")
    (root / "texts.txt").write_text("list.txt\n")
    write_yaml(root, **content)
    with pytest.raises(DataError, match=message):
        read_yolo(root, "train")


@pytest.mark.parametrize("body", [b"names: [a", b"- a", b"\xff\xff", b"", b"train: images"])
def test_the_error_names_a_yaml_file_that_is_none(root: Path, body: bytes) -> None:
    (root / "data.yaml").write_bytes(body)
    with pytest.raises(DataError, match=r"data\.yaml: (not YAML|it has no names of classes)"):
        read_yolo(root, "train")
