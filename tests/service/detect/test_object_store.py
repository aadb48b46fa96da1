"""Pictures in an object store."""

from pathlib import Path

import s3fs

from service.bundle import Bundle
from service.detect.__main__ import main
from tests.service.detect.command import detect, lines_of
from tests.service.detect.conftest import NUM_PICTURES
from tests.service.object_store import bucket

__all__ = ["bucket"]


def test_pictures_of_a_bucket_give_the_detections_of_the_same_files_here(
    tiny_bundle: Bundle, photos: Path, tmp_path: Path, bucket: str
) -> None:
    store = s3fs.S3FileSystem()
    store.put(f"{photos}/", f"{bucket}/photos/", recursive=True)
    store.pipe_file(f"{bucket}/photos/notes.md", b"no picture")
    here, there = tmp_path / "here.jsonl", tmp_path / "there.jsonl"
    assert detect(tiny_bundle, photos, "--out", here) == 0
    assert detect(tiny_bundle, f"{bucket}/photos", "--out", there) == 0
    assert there.read_text() == here.read_text().replace(str(photos), f"{bucket}/photos")
    whole = there.read_bytes()
    there.write_bytes(whole[: len(whole) // 2])
    assert detect(tiny_bundle, f"{bucket}/photos", "--out", there) == 0
    assert there.read_bytes() == whole
    assert detect(tiny_bundle, f"{bucket}/photos/first/00*.png", "--out", tmp_path / "some.jsonl") == 0
    assert len(lines_of(tmp_path / "some.jsonl")) == 10


def test_a_bundle_in_a_bucket_detects(tiny_bundle: Bundle, photos: Path, tmp_path: Path, bucket: str) -> None:
    s3fs.S3FileSystem().put(f"{tiny_bundle.path}/", f"{bucket}/bundles/tiny/", recursive=True)
    out = tmp_path / "found.jsonl"
    arguments = ["--bundle", f"{bucket}/bundles/tiny", "--engine", "onnx", "--out", str(out)]
    assert main([str(photos), *arguments]) == 0
    assert len(lines_of(out)) == NUM_PICTURES


def test_a_bucket_without_pictures_is_an_error(tiny_bundle: Bundle, bucket: str) -> None:
    assert detect(tiny_bundle, f"{bucket}/nowhere") == 1
