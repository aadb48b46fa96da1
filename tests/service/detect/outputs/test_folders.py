"""Outputs that are folders: YOLO's labels and drawn pictures."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from service.bundle import Bundle
from service.detect.outputs.choose import choose_format
from service.detect.outputs.place import OutputPlace
from service.detect.sources import common_root, open_sources
from tests.service.detect.command import detect, lines_of
from tests.service.detect.conftest import NUM_PICTURES


def test_yolo_s_labels_lie_where_the_pictures_lie(tiny_bundle: Bundle, photos: Path, tmp_path: Path) -> None:
    assert detect(tiny_bundle, photos, "--out", tmp_path / "labels", "--format", "yolo") == 0
    assert (tmp_path / "labels" / "classes.txt").read_text() == "red\ngreen\n"
    labels = sorted((tmp_path / "labels").rglob("[0-9]*.txt"))
    assert len(labels) == NUM_PICTURES
    text = (tmp_path / "labels" / "first" / "003.txt").read_text()
    assert sorted(text.splitlines()) == [
        "0 0.500000 0.125000 0.250000 0.250000",
        "1 0.500000 0.750000 0.250000 0.250000",
    ]


def test_drawn_pictures_have_the_boxes(tiny_bundle: Bundle, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "drawn"
    assert detect(tiny_bundle, photos / "first", "--out", out, "--format", "images") == 0
    before = np.asarray(Image.open(photos / "first" / "003.png").convert("RGB")).astype(int)
    after = np.asarray(Image.open(out / "003.png.jpg")).astype(int)
    assert after.shape == before.shape
    assert np.abs(after - before).max() > 100
    assert np.abs(after - before)[60:].max() < 50


@pytest.mark.parametrize(
    ("sources", "picture", "wanted"),
    [
        (["photos"], "photos/first/000.png", "first/000.txt"),
        (["photos/first", "photos/second"], "photos/second/010.png", "second/010.txt"),
        (["photos/first/000.png", "photos/first/001.png"], "photos/first/001.png", "001.txt"),
        (["photos/*/00*.png"], "photos/first/001.png", "first/001.txt"),
        (["names.txt"], "../photos/first/001.png", "photos/first/001.txt"),
        (["names.txt"], "s3://bucket/a/1.png", "bucket/a/1.txt"),
        (["names.txt"], "/a/clip.mp4#000012", "a/clip.mp4#000012.txt"),
    ],
)
def test_the_place_of_a_picture_s_file(
    photos: Path, monkeypatch: pytest.MonkeyPatch, sources: list[str], picture: str, wanted: str
) -> None:
    monkeypatch.chdir(photos.parent)
    Path("names.txt").write_text("photos/first/001.png\n")
    place = OutputPlace(Path("out"), choose_format("yolo", Path("out"), None), common_root(open_sources(sources)))
    assert place.file_of(picture) == Path("out") / wanted


def test_a_picture_that_no_jpeg_can_show_is_listed(tiny_bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    cv2.imwrite(str(tmp_path / "photos" / "long.png"), np.zeros((1, 66_000, 3), np.uint8))
    assert detect(tiny_bundle, tmp_path / "photos", "--out", tmp_path / "drawn", "--format", "images") == 3
    (failure,) = lines_of(tmp_path / "drawn" / "failed.jsonl")
    assert "no JPEG can show its 66000×1 pixels" in failure["reason"]


def test_two_pictures_do_not_share_a_label_file(tiny_bundle: Bundle, photos: Path, tmp_path: Path) -> None:
    first = photos / "first" / "003.png"
    twin = first.with_suffix(".webp")
    twin.write_bytes(first.read_bytes())
    out = tmp_path / "labels"
    for _ in range(2):  # also if the first one was done before
        assert detect(tiny_bundle, photos, "--out", out, "--format", "yolo") == 3
        assert len(lines_of(out / "detections.jsonl")) == NUM_PICTURES
        (failure,) = lines_of(out / "failed.jsonl")
        assert failure == {"name": str(twin), "reason": f"its file would be that of {first}; rename one of the two"}


@pytest.mark.parametrize("name", ["yolo", "images"])
def test_a_picture_whose_file_would_have_too_long_a_name_is_listed(
    tiny_bundle: Bundle, photos: Path, tmp_path: Path, name: str
) -> None:
    long = photos / "first" / f"{'x' * 251}.png"
    (photos / "first" / "000.png").rename(long)
    out = tmp_path / "out"
    assert detect(tiny_bundle, photos, "--out", out, "--format", name) == 3
    assert len(lines_of(out / "detections.jsonl")) == NUM_PICTURES - 1
    (failure,) = lines_of(out / "failed.jsonl")
    assert failure["name"] == str(long)
    assert "too long" in failure["reason"]


def test_a_picture_does_not_replace_the_list_of_classes(tiny_bundle: Bundle, photos: Path, tmp_path: Path) -> None:
    (photos / "first" / "000.png").rename(photos / "classes.png")
    out = tmp_path / "labels"
    assert detect(tiny_bundle, photos, "--out", out, "--format", "yolo") == 3
    assert (out / "classes.txt").read_text() == "red\ngreen\n"
    (failure,) = lines_of(out / "failed.jsonl")
    assert "that of the list of classes" in failure["reason"]


@pytest.mark.parametrize("source", ["first", "first/000.png", "first/*.png"])
def test_drawn_pictures_never_replace_their_sources(
    tiny_bundle: Bundle, photos: Path, capsys: pytest.CaptureFixture[str], source: str
) -> None:
    (photos / "first" / "000.png").rename(photos / "first" / "000.jpg")
    before = {path.name: path.read_bytes() for path in (photos / "first").iterdir()}
    source = source.replace("000.png", "000.jpg").replace("*.png", "*.jpg")
    assert detect(tiny_bundle, photos / source, "--out", photos / "first", "--format", "images", "--restart") == 1
    assert {path.name: path.read_bytes() for path in (photos / "first").iterdir()} == before
    assert "choose a folder outside" in capsys.readouterr().err


def test_drawn_pictures_of_a_list_never_replace_their_sources(
    tiny_bundle: Bundle, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (photos / "first" / "000.png").rename("a.jpg")
    before = Path("a.jpg").read_bytes()
    Path("list.txt").write_text("a.jpg\n")
    assert detect(tiny_bundle, "list.txt", "--out", ".", "--format", "images", "--restart") == 1
    assert Path("a.jpg").read_bytes() == before


def test_drawn_pictures_of_a_pattern_do_not_fit_it(tiny_bundle: Bundle, photos: Path) -> None:
    for pattern, status in (("**", 1), ("*/*.png", 0)):
        assert detect(tiny_bundle, f"{photos}/{pattern}", "--out", photos / "out", "--format", "images") == status


def test_a_run_that_found_a_full_disk_at_its_start_goes_on(tiny_bundle: Bundle, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "drawn"
    out.mkdir()
    (out / "detections.jsonl").touch()  # it is made before the record
    assert detect(tiny_bundle, photos, "--out", out, "--format", "images") == 0
