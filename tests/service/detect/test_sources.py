"""The sources, and the names of their pictures."""

import os
import shutil
from pathlib import Path

import pytest

from service.bundle import Bundle
from service.detect.sources import SourceError, any_remote, common_root, open_sources
from tests.service.detect.command import detect, lines_of


def names(*sources: str) -> list[str]:
    return [name for source in open_sources(sources) for name in source.list_names()]


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in (
        "photos/b.JPG",
        "photos/a.png",
        "photos/notes.md",
        "photos/sub/c.webp",
        "photos/sub.jpg",
        "other/d.gif",
    ):
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


@pytest.mark.usefixtures("tree")
def test_a_folder_gives_its_own_pictures_and_then_those_of_the_folders_in_it() -> None:
    assert names("photos") == ["photos/a.png", "photos/b.JPG", "photos/sub.jpg", "photos/sub/c.webp"]


def test_a_folder_that_vanishes_meanwhile_is_given_as_a_picture(photos: Path) -> None:
    (source,) = open_sources([str(photos)])
    listed = source.list_names()
    assert next(listed) == str(photos / "first" / "000.png")
    shutil.rmtree(photos / "second")
    assert list(listed)[-2:] == [str(photos / "first" / "009.png"), str(photos / "second")]


@pytest.mark.usefixtures("tree")
def test_a_pattern_gives_pictures_by_name() -> None:
    assert names("photos/*") == ["photos/a.png", "photos/b.JPG", "photos/sub.jpg"]
    assert names("**/*.[gw]*") == ["other/d.gif", "photos/sub/c.webp"]


@pytest.mark.usefixtures("tree")
def test_a_list_file_gives_its_lines() -> None:
    Path("list.txt").write_text("photos/b.JPG\n\n  other/d.gif \ns3://bucket/e.png\n")
    Path("list").write_text("photos/a.png\n")
    wanted = ["photos/b.JPG", "other/d.gif", "s3://bucket/e.png"]
    assert names("list.txt") == names("@list.txt") == wanted
    assert names("@list", "list.txt") == ["photos/a.png", *wanted]


@pytest.mark.usefixtures("tree")
def test_a_remote_place_gives_its_pictures() -> None:
    place = f"local://{Path('photos').resolve()}"
    assert [os.path.basename(name) for name in names(place)] == ["a.png", "b.JPG", "sub.jpg", "c.webp"]  # noqa: PTH119


@pytest.mark.usefixtures("tree")
def test_the_common_folder_of_the_sources() -> None:
    here = Path.cwd()
    Path("list.txt").write_text("photos/b.JPG\n")
    assert common_root(open_sources(["photos"])) == str(here / "photos")
    assert common_root(open_sources(["photos", "other/d.gif"])) == str(here)
    assert common_root(open_sources(["photos/sub/*", "photos/a.png"])) == str(here / "photos")
    assert common_root(open_sources(["photos", "list.txt"])) == ""


@pytest.mark.usefixtures("tree")
def test_a_list_is_remote_if_its_first_picture_is() -> None:
    Path("list.txt").write_text("s3://bucket/e.png\nphotos/b.JPG\n")
    assert any_remote(open_sources(["photos", "list.txt"]))
    Path("list.txt").write_text("photos/b.JPG\ns3://bucket/e.png\n")
    assert not any_remote(open_sources(["photos", "list.txt"]))


def test_no_source_is_an_error() -> None:
    with pytest.raises(SourceError, match="there is no source"):
        open_sources([])


def test_a_list_of_windows_and_one_with_other_bytes_give_their_names(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_bytes(b"\xef\xbb\xbfa.jpg\r\ncaf\xe9.jpg\r\n")
    (source,) = open_sources([str(tmp_path / "list.txt")])
    assert list(source.list_names()) == ["a.jpg", os.fsdecode(b"caf\xe9.jpg")]


def test_a_pipe_in_a_folder_is_listed(tiny_bundle: Bundle, photos: Path, tmp_path: Path) -> None:
    os.mkfifo(photos / "pipe.jpg")
    os.mkfifo(photos / "pipe.mp4")
    assert detect(tiny_bundle, photos, "--out", tmp_path / "found.jsonl") == 3
    picture, video = lines_of(tmp_path / "found.jsonl.failed.jsonl")
    assert "pipe or a device" in picture["reason"]
    assert "it is no file" in video["reason"]


def test_a_pipe_is_no_source(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name in (f"{tmp_path}/pipe", f"@{tmp_path}/pipe"):
        with pytest.raises(SourceError, match="it is no file"):
            open_sources([name])


def test_a_list_that_is_no_text_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("a.jpg", "utf-16")
    with pytest.raises(SourceError, match="line 1 has a zero byte"):
        open_sources([str(tmp_path / "list.txt")])


def test_remote_pictures_are_read_and_missing_ones_are_listed(
    tiny_bundle: Bundle, photos: Path, tmp_path: Path
) -> None:
    first = f"local://{photos}/first/000.png"
    (tmp_path / "list.txt").write_text(f"{first}\nlocal://{photos}/gone.png\nlocal://{photos}/clip.mp4\n")
    assert detect(tiny_bundle, tmp_path / "list.txt", "--out", tmp_path / "found.jsonl") == 3
    assert [line["name"] for line in lines_of(tmp_path / "found.jsonl")] == [first]
    gone, clip = lines_of(tmp_path / "found.jsonl.failed.jsonl")
    assert "there is no such file" in gone["reason"]
    assert clip["reason"] == "a video must be a local file; copy it to this machine"


def test_a_name_that_is_no_utf_8_is_kept(tiny_bundle: Bundle, photos: Path, tmp_path: Path) -> None:
    strange = os.fsencode(photos / "first") + b"/\xff.png"
    os.rename(photos / "first" / "000.png", strange)  # noqa: PTH104 a Path is text
    out = tmp_path / "found.jsonl"
    assert detect(tiny_bundle, photos / "first", "--out", out) == 0
    assert os.fsencode(lines_of(out)[-1]["name"]) == strange
    assert detect(tiny_bundle, photos / "first", "--out", out) == 0
    assert len(lines_of(out)) == 10
    assert detect(tiny_bundle, photos / "first", "--out", tmp_path / "found.csv") == 0
    assert strange in (tmp_path / "found.csv").read_bytes()
