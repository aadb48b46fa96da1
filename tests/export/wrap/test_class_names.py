"""The names of classes in the forms in which projects write them."""

import json
from pathlib import Path

import pytest

from export.errors import ExportError
from export.wrap.class_names import names_in_metadata, read_class_names


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("names.txt", "cat\ndog\n\n"),
        ("coco.names", "\ufeffcat\r\ndog\r\n"),
        ("data.yaml", "train: images\nnames: [cat, dog]\n"),
        ("data.yaml", "names:\n  1: dog\n  0: cat\n"),
        ("config.json", json.dumps({"id2label": {"0": "cat", "1": "dog"}})),
        ("names.json", '["cat", "dog"]'),
    ],
)
def test_names_are_read_from_files(tmp_path: Path, file: str, content: str) -> None:
    (tmp_path / file).write_text(content, encoding="utf-8")
    assert read_class_names(str(tmp_path / file)) == ("cat", "dog")


def test_names_may_be_given_themselves() -> None:
    assert read_class_names("cat, dog") == ("cat", "dog")
    assert read_class_names("text") == ("text",)


def test_given_names_may_be_longer_than_a_path() -> None:
    names = tuple(f"class number {number}" for number in range(400))
    assert read_class_names(",".join(names)) == names


def test_names_that_are_not_a_class_get_their_number() -> None:
    assert read_class_names("N/A,cat,N/A") == ("N/A 0", "cat", "N/A 2")


@pytest.mark.parametrize(
    ("file", "content", "fault"),
    [
        ("names.txt", "", "a name is empty"),
        ("data.yaml", "names: {0: cat, 2: dog}", "number 1 has no name; give each number from 0 to 2 one"),
        ("data.yaml", "names: {cat: 0}", "the names have no numbers"),
        ("data.yaml", "names: {null: cat}", "the names have no numbers"),
        ("data.yaml", "nc: 3", "the names have no numbers"),
        ("data.yaml", "names: 3", "there is no list of names"),
        ("data.yaml", "{", "not YAML or JSON"),
        ("data.yaml", "[" * 1000, "not YAML or JSON"),
        ("names.txt", "cat\ndog\ncat\n", "'cat' stands there twice; give each class a name of its own"),
        ("data.yaml", "names: [cat, ' ']", "a name is empty"),
    ],
)
def test_files_without_names_are_refused(tmp_path: Path, file: str, content: str, fault: str) -> None:
    (tmp_path / file).write_text(content)
    with pytest.raises(ExportError, match=fault):
        read_class_names(str(tmp_path / file))


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"names\.txt: it cannot be read as text"):
        read_class_names(str(tmp_path / "names.txt"))


def test_ultralytics_metadata_has_the_names() -> None:
    assert names_in_metadata({"names": "{0: 'cat', 1: 'dog'}"}) == ("cat", "dog")
    assert names_in_metadata({"names": "import os"}) is None
    assert names_in_metadata({"names": "{[]: 'cat'}"}) is None
    assert names_in_metadata({}) is None
