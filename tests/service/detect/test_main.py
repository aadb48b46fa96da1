"""The command: its outputs, its errors, and going on after any end of a run."""

import json
import os
import re
import resource
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from service.bundle import Bundle
from service.detect.__main__ import main
from service.detect.journal import Journal
from tests.service.detect.command import detect, lines_of, words
from tests.service.detect.conftest import NUM_PICTURES
from tests.service.wait import wait_until
from tests.tiny_bundle import png, write_tiny_bundle

ROOT = Path(__file__).parents[3]


def test_each_picture_of_a_folder_gives_a_line_in_the_order_of_the_names(
    tiny_bundle: Bundle, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert detect(tiny_bundle, photos, "--out", tmp_path / "found.jsonl") == 0
    lines = lines_of(tmp_path / "found.jsonl")
    assert [line["name"] for line in lines] == sorted(str(path) for path in photos.rglob("*.png"))
    assert lines[1] == {
        "name": str(photos / "first" / "001.png"),
        "width": 64,
        "height": 64,
        "model": "tiny",
        "version": "1",
        "detections": [
            {"label": "red", "class_id": 0, "score": 1.0, "box": {"x1": 8.0, "y1": 0.0, "x2": 24.0, "y2": 16.0}}
        ],
    }
    assert not (tmp_path / "found.jsonl.failed.jsonl").exists()
    captured = capsys.readouterr()
    assert captured.out == ""
    assert re.fullmatch(rf"\S+: {NUM_PICTURES} pictures, 31 detections, 0 failed; \S+ s, \S+ images/s\n", captured.err)


def test_one_picture_is_printed(tiny_bundle: Bundle, photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = photos / "first" / "003.png"
    assert detect(tiny_bundle, picture) == 0
    head, titles, *rows = capsys.readouterr().out.splitlines()
    assert head == f"{picture}: 64×64 pixels, 2 detections"
    assert titles.split() == ["label", "score", "x1", "y1", "x2", "y2"]
    assert rows[0].split() == ["red", "1.000", "24.0", "0.0", "40.0", "16.0"]
    assert detect(tiny_bundle, picture, "--format", "jsonl") == 0
    assert len(json.loads(capsys.readouterr().out)["detections"]) == 2


def test_the_batch_does_not_change_the_output(tiny_bundle: Bundle, photos: Path, tmp_path: Path) -> None:
    detect(tiny_bundle, photos, "--out", tmp_path / "a.jsonl")
    detect(tiny_bundle, photos, "--out", tmp_path / "b.jsonl", "--batch", "1")
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()


def test_a_bad_picture_is_listed_and_the_others_are_done(tiny_bundle: Bundle, photos: Path, tmp_path: Path) -> None:
    (photos / "first" / "bad.jpg").write_bytes(b"no picture")
    (photos / "second" / "000.png").symlink_to(photos / "gone.png")
    out = tmp_path / "found.jsonl"
    assert detect(tiny_bundle, photos, "--out", out) == 3
    assert len(lines_of(out)) == NUM_PICTURES
    bad, gone = lines_of(tmp_path / "found.jsonl.failed.jsonl")
    assert bad["name"] == str(photos / "first" / "bad.jpg")
    assert "not an image" in bad["reason"]
    assert gone == {"name": str(photos / "second" / "000.png"), "reason": "No such file or directory"}
    (photos / "first" / "bad.jpg").unlink()
    (photos / "second" / "000.png").unlink()
    assert detect(tiny_bundle, photos, "--out", out) == 0
    assert not (tmp_path / "found.jsonl.failed.jsonl").exists()


def test_a_torn_output_is_mended_and_finished_as_if_it_had_never_been_torn(
    tiny_bundle: Bundle, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "found.jsonl"
    detect(tiny_bundle, photos, "--out", out)
    whole = out.read_bytes()
    for size in (0, 1, 10, len(whole) // 2, len(whole) - 1):
        out.write_bytes(whole[:size])
        assert detect(tiny_bundle, photos, "--out", out) == 0
        assert out.read_bytes() == whole
    capsys.readouterr()
    assert detect(tiny_bundle, photos, "--out", out) == 0
    assert f"0 pictures, 0 detections, 0 failed, {NUM_PICTURES} were done before" in capsys.readouterr().err
    assert out.read_bytes() == whole


@pytest.mark.parametrize(("name", "options"), [("found.csv", []), ("found.json", []), ("labels", ["--format", "yolo"])])
def test_a_torn_journal_of_the_other_outputs_is_finished_too(
    tiny_bundle: Bundle, photos: Path, tmp_path: Path, name: str, options: list[str]
) -> None:
    out = tmp_path / name
    detect(tiny_bundle, photos, "--out", out, *options)
    before = contents(out)
    journal = out / "detections.jsonl" if out.is_dir() else out.with_name(f"{name}.jsonl")
    journal.write_bytes(journal.read_bytes()[:1000])
    assert detect(tiny_bundle, photos, "--out", out, *options) == 0
    assert contents(out) == before


def contents(path: Path) -> dict[Path, bytes]:
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    return {file: file.read_bytes() for file in files}


def test_pictures_that_were_added_are_done_and_the_others_are_not_done_again(
    tiny_bundle: Bundle, photos: Path, tmp_path: Path
) -> None:
    out = tmp_path / "found.jsonl"
    detect(tiny_bundle, photos, "--out", out)
    before = out.read_bytes()
    shutil.copy(photos / "first" / "000.png", photos / "first" / "0005.png")
    assert detect(tiny_bundle, photos, "--out", out) == 0
    assert out.read_bytes().startswith(before)
    assert lines_of(out)[-1]["name"] == str(photos / "first" / "0005.png")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_run_that_a_signal_ends_goes_on_with_the_same_output(
    tiny_bundle: Bundle, photos: Path, tmp_path: Path, number: signal.Signals
) -> None:
    names = tmp_path / "names.txt"
    picture = (photos / "first" / "000.png").read_bytes()
    for index in range(3000):
        (tmp_path / f"{index}.png").write_bytes(picture)
    names.write_text("".join(f"{tmp_path / f'{index}.png'}\n" for index in range(3000)))
    out = tmp_path / "found.jsonl"
    command = words(tiny_bundle, names, "--out", out)
    process = subprocess.Popen(
        [sys.executable, "-m", "service.detect", *command], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    with process:
        wait_until(lambda: out.exists() and out.stat().st_size > 0)
        process.send_signal(number)
        assert process.stderr is not None
        said = process.stderr.read()
    done = out.read_bytes().count(b"\n")
    assert 0 < done < 3000
    if number == signal.SIGKILL:
        assert process.returncode == -signal.SIGKILL
    else:
        assert process.returncode == 128 + number
        assert f"stopped; to go on: python -m service.detect {names} --out" in said
        assert "Traceback" not in said
    assert detect(tiny_bundle, names, "--out", out) == 0
    resumed = out.read_bytes()
    assert detect(tiny_bundle, names, "--out", out, "--restart") == 0
    assert out.read_bytes() == resumed


def test_a_run_with_other_settings_is_refused_until_it_is_restarted(
    tiny_bundle: Bundle, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "found.jsonl"
    detect(tiny_bundle, photos, "--out", out)
    before = out.read_bytes()
    capsys.readouterr()
    assert detect(tiny_bundle, photos, "--out", out, "--score-threshold", "0.9", "--tile", "32") == 1
    assert capsys.readouterr().err == (
        f"detect: {out}: it was written with score threshold 0.6, and now 0.9; with tile none, and now 32; "
        "give the old settings to go on, --restart to write it anew, or another --out\n"
    )
    other = write_tiny_bundle(tmp_path / "other", version="2")
    assert detect(other, photos, "--out", out) == 1
    assert "written with version 1, and now 2" in capsys.readouterr().err
    assert out.read_bytes() == before
    assert detect(other, photos, "--out", out, "--restart") == 0
    assert {line["version"] for line in lines_of(out)} == {"2"}


def test_a_file_of_others_is_not_replaced(
    tiny_bundle: Bundle, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "thesis.csv"
    out.write_text("years of work")
    assert detect(tiny_bundle, photos, "--out", out) == 1
    assert "no run of this command wrote it" in capsys.readouterr().err
    assert out.read_text() == "years of work"
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "thesis.txt").write_text("years of work")
    assert detect(tiny_bundle, photos, "--out", tmp_path / "folder", "--format", "images") == 1
    assert "no run of this command wrote it" in capsys.readouterr().err


def test_two_runs_do_not_write_the_same_output(
    tiny_bundle: Bundle, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "found.jsonl"
    detect(tiny_bundle, photos, "--out", out)
    with Journal(out):
        assert detect(tiny_bundle, photos, "--out", out) == 1
    assert "another run is writing it" in capsys.readouterr().err


def test_a_full_disk_ends_the_run_and_keeps_what_is_done(
    tiny_bundle: Bundle, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "found.jsonl"
    detect(tiny_bundle, photos, "--out", out)
    whole = out.read_bytes()
    out.unlink()
    (tmp_path / "found.jsonl.run.json").unlink()
    capsys.readouterr()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(whole) // 2, limits[1]))
    try:
        status = detect(tiny_bundle, photos, "--out", out)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert status == 1
    said = capsys.readouterr().err
    assert f"detect: {out}: it cannot be written: File too large; what is done is kept" in said
    done = out.read_bytes()
    assert 0 < len(done) < len(whole)
    assert done.endswith(b"\n")
    assert detect(tiny_bundle, photos, "--out", out) == 0
    assert out.read_bytes() == whole


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere: there is no such file or folder; give image files"),
        (["photos/*.gif"], "photos/*.gif: there is no picture and no video in it"),
        (["empty"], "empty: there is no picture and no video in it"),
        (["@names.txt"], "names.txt: there is no such file"),
        (["broken.mp4"], "broken.mp4: the video cannot be read"),
        (["photos", "--out", "found"], "found: its name does not say which output it is"),
        (["photos", "--out", "found.docx"], "found.docx: its name does not say which output it is"),
        (["photos", "--format", "csv"], "--format csv needs --out"),
        (["photos", "--out", "photos/drawn", "--format", "images"], "photos/drawn: it lies in the source photos"),
        (["photos", "--out", "photos", "--format", "yolo"], "photos: it lies in the source photos"),
        (["photos", "--out", "empty/../photos", "--format", "csv"], "empty/../photos: it is a folder, and csv is not"),
        (["photos", "--out", "broken.mp4/a.jsonl"], "broken.mp4/a.jsonl: it cannot be written"),
        (["photos", "--out", "a.csv", "--annotations", "b.json"], "--annotations gives the ids of MS COCO's results"),
        (["photos", "--out", "a.json", "--annotations", "b.json"], "b.json: it cannot be read: No such file"),
        (["photos", "--bundle", "nowhere"], "nowhere: there is no manifest.json, so it is not a bundle"),
    ],
)
def test_errors_are_one_sentence(
    tiny_bundle: Bundle,
    photos: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(photos.parent)
    Path("empty").mkdir()
    Path("broken.mp4").write_bytes(b"no video")
    before = sorted(os.walk("."))
    own = [] if "--bundle" in arguments else ["--bundle", str(tiny_bundle.path)]
    assert main([*arguments, *own, "--engine", "onnx"]) == 1
    said = capsys.readouterr().err
    assert message in said
    assert said.startswith("detect: ")
    assert said.count("\n") == 1
    assert sorted(os.walk(".")) == before


@pytest.mark.parametrize(
    "options",
    [
        ["--out", "s3://bucket/a.jsonl"],
        ["--tile", "0"],
        ["--tile", "large"],
        ["--score-threshold", "2"],
        ["--every", "0"],
        ["--batch", "-1"],
    ],
)
def test_wrong_options_are_refused(tiny_bundle: Bundle, photos: Path, options: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        detect(tiny_bundle, photos, *options)


def test_a_misspelt_environment_variable_is_refused(
    tiny_bundle: Bundle, photos: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SINGLESHOT_MAX_PIXEL", "5")
    assert detect(tiny_bundle, photos) == 2
    assert "is SINGLESHOT_MAX_PIXELS meant?" in capsys.readouterr().err


def test_tiles_find_what_is_too_small_in_the_whole_picture(
    tiny_bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A red block of 16 pixels fills a cell of a tile of 64 pixels, but not of the picture of 256."""
    image = np.zeros((256, 256, 3), np.uint8)
    image[96:112, 144:160, 0] = 255
    (tmp_path / "large.png").write_bytes(png(image))
    detect(tiny_bundle, tmp_path / "large.png", "--format", "jsonl")
    assert json.loads(capsys.readouterr().out)["detections"] == []
    detect(tiny_bundle, tmp_path / "large.png", "--format", "jsonl", "--tile", "64")
    (found,) = json.loads(capsys.readouterr().out)["detections"]
    assert found["label"] == "red"
    assert found["box"] == {"x1": 144, "y1": 96, "x2": 160, "y2": 112}


@pytest.mark.parametrize(
    ("end", "status", "said"),
    [
        (">/dev/full", 1, "detect: standard output: it cannot be written: No space left on device\n"),
        (">&-", 0, ""),
        ("2>&-", 0, ""),
    ],
)
def test_standard_output_may_be_full_or_closed(
    tiny_bundle: Bundle, photos: Path, end: str, status: int, said: str
) -> None:
    command = shlex.join([sys.executable, "-m", "service.detect", *words(tiny_bundle, photos)])
    done = subprocess.run(["sh", "-c", f"{command} {end}"], cwd=ROOT, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (status, said)


def test_a_name_that_the_terminal_cannot_show_is_escaped(tiny_bundle: Bundle, photos: Path) -> None:
    picture = photos / "first" / "000.png"
    picture.rename(strange := picture.with_name("caf\u00e9.png"))
    done = subprocess.run(
        [sys.executable, "-m", "service.detect", *words(tiny_bundle, strange)],
        cwd=ROOT,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=True,
    )
    assert b"caf\\xe9.png: 64\\xd764 pixels" in done.stdout
