"""Reading and writing bundles."""

import json
import shutil
from pathlib import Path

import pytest

from service.bundle import INT8_MODEL, MANIFEST, BundleError, Int8Form, add_int8, read_bundle
from tests.tiny_bundle import write_tiny_bundle

FORM = Int8Form(data_set="shapes/train", num_images=5, max_loss=0.5, loss=0.2)


def test_a_changed_file_is_refused(tmp_path: Path) -> None:
    bundle = write_tiny_bundle(tmp_path / "changed")
    bundle.model_path.write_bytes(bundle.model_path.read_bytes() + b"\0")
    with pytest.raises(BundleError, match=r"model\.onnx: SHA-256 is .*copy the whole bundle again"):
        read_bundle(bundle.path)


def test_a_directory_without_a_manifest_is_not_a_bundle(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="it is not a bundle"):
        read_bundle(tmp_path)


def test_a_broken_manifest_is_refused(tmp_path: Path) -> None:
    bundle = write_tiny_bundle(tmp_path / "broken")
    (bundle.path / MANIFEST).write_text('{"format": 1}')
    with pytest.raises(BundleError, match=r"manifest\.json: name: .*export the bundle again"):
        read_bundle(bundle.path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    bundle = write_tiny_bundle(tmp_path / "partial")
    bundle.model_path.unlink()
    with pytest.raises(BundleError, match=r"model\.onnx: the manifest lists it but it is missing"):
        read_bundle(bundle.path)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"classes": ["red"]}, r"golden has the label 1, and classes has only 1 names; name every class"),
        ({"classes": ["red", "red"]}, r"classes has 'red' twice; give each class a name of its own"),
        ({"classes": ["red", " "]}, r"classes has an empty name"),
        *(
            ({key: text}, rf"{key}: String should match pattern")
            for key in ("name", "version")
            for text in ("", ".", "..", "a/b", "a b", "a%2Fb", "a\\b", "a?b", "a#b", "a\n", "\0", "é", "x" * 65)
        ),
    ],
)
def test_classes_or_names_that_no_request_can_use_are_refused(
    tmp_path: Path, changes: dict[str, object], problem: str
) -> None:
    bundle = write_tiny_bundle(tmp_path / "bad")
    manifest = bundle.path / MANIFEST
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | changes))
    with pytest.raises(BundleError, match=rf"manifest\.json: .*{problem}.*; export the bundle again"):
        read_bundle(bundle.path)


@pytest.mark.parametrize("version", ["1", "2026-11-27", "1.2.0-rc.1+build5", "x" * 64])
def test_usual_versions_are_accepted(tmp_path: Path, version: str) -> None:
    assert write_tiny_bundle(tmp_path / "good", version=version).manifest.version == version


def test_writing_a_bundle_replaces_the_one_that_was_there(tmp_path: Path) -> None:
    write_tiny_bundle(tmp_path / "b", name="first")
    assert write_tiny_bundle(tmp_path / "b", name="second").manifest.name == "second"
    assert [path.name for path in tmp_path.iterdir()] == ["b"]
    shutil.rmtree(tmp_path / "b")


def test_a_form_in_int8_is_added_with_its_checksum_and_replaced(tmp_path: Path) -> None:
    path = write_tiny_bundle(tmp_path / "b").path
    assert read_bundle(path).int8_model_path is None
    add_int8(path, FORM, b"first")
    added = add_int8(path, FORM.model_copy(update={"float_layers": ("head",)}), b"second")
    assert added == read_bundle(path)
    assert added.manifest.int8 is not None
    assert added.manifest.int8.float_layers == ("head",)
    assert added.int8_model_path == path / INT8_MODEL
    assert added.int8_model_path.read_bytes() == b"second"
    assert not list(path.glob(".*"))


def test_a_form_in_int8_that_cannot_be_written_leaves_the_bundle_as_it_was(tmp_path: Path) -> None:
    bundle = write_tiny_bundle(tmp_path / "b")
    (bundle.path / f".{INT8_MODEL}.new").mkdir()
    with pytest.raises(IsADirectoryError):
        add_int8(bundle.path, FORM, b"form")
    assert read_bundle(bundle.path) == bundle


def test_a_changed_form_in_int8_is_refused(tmp_path: Path) -> None:
    path = write_tiny_bundle(tmp_path / "b").path
    add_int8(path, FORM, b"form")
    (path / INT8_MODEL).write_bytes(b"other")
    with pytest.raises(BundleError, match=r"model\.int8\.onnx: SHA-256 is .*copy the whole bundle again"):
        read_bundle(path)


def test_a_form_in_int8_without_a_checksum_is_refused(tmp_path: Path) -> None:
    path = write_tiny_bundle(tmp_path / "b").path
    add_int8(path, FORM, b"form")
    manifest = json.loads((path / MANIFEST).read_text())
    del manifest["files"][INT8_MODEL]
    (path / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match=r"files does not list model\.int8\.onnx"):
        read_bundle(path)


def test_a_manifest_without_a_form_in_int8_does_not_mention_it(tmp_path: Path) -> None:
    """Older servers refuse a manifest with a part that they do not know."""
    bundle = write_tiny_bundle(tmp_path / "b")
    assert "int8" not in (bundle.path / MANIFEST).read_text()
