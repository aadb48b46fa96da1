"""`python -m service.fetch`."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from service.bundle import read_bundle
from service.fetch.__main__ import main
from tests.service.website import SECONDS, Website, website
from tests.tiny_bundle import write_tiny_bundle

__all__ = ["website"]

ROOT = Path(__file__).parents[3]


def start(url: str, out: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "service.fetch", url, "--out", str(out)]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_process_that_is_killed_leaves_the_old_copy(number: signal.Signals, website: Website, tmp_path: Path) -> None:
    write_tiny_bundle(website.folder / "cards")
    url, out = f"{website.url}/cards", tmp_path / "out"
    assert main([url, "--out", str(out)]) == 0
    write_tiny_bundle(website.folder / "cards", version="2")
    website.held.add("/cards/model.onnx")
    with start(url, out) as process:
        assert website.half_sent.wait(SECONDS)
        process.send_signal(number)
        assert process.wait(SECONDS) == (-number if number == signal.SIGKILL else 128 + number)
        assert process.stderr is not None
        assert process.stderr.read() == ""
    assert read_bundle(out).manifest.version == "1"
    assert (tmp_path / ".out.new").exists() == (number == signal.SIGKILL)
    website.held.clear()
    assert main([url, "--out", str(out)]) == 0
    assert read_bundle(out).manifest.version == "2"
    assert {path.name for path in tmp_path.iterdir()} == {"out", ".out.lock", "website"}


def test_of_two_processes_one_copies(website: Website, tmp_path: Path) -> None:
    write_tiny_bundle(website.folder / "cards")
    website.held.add("/cards/model.onnx")
    url, out = f"{website.url}/cards", tmp_path / "out"
    with start(url, out) as first:
        assert website.half_sent.wait(SECONDS)
        with start(url, out) as second:
            assert second.stderr is not None
            assert "waiting for another process" in second.stderr.readline()
            website.go.set()
            assert first.wait(SECONDS) == 0
            assert second.wait(SECONDS) == 0
            assert json.loads(second.stderr.read())["event"] == "bundle_current"
        assert first.stderr is not None
        assert json.loads(first.stderr.read())["event"] == "bundle_fetched"
    assert website.gets.count("/cards/model.onnx") == 1
    read_bundle(out)


def test_several_bundles_have_a_directory_each(website: Website, tmp_path: Path) -> None:
    urls = [f"{website.url}/{name}" for name in ("cards", "dice")]
    for name in ("cards", "dice"):
        write_tiny_bundle(website.folder / name, name=name)
    assert main([*urls, "--out", str(tmp_path / "out")]) == 0
    assert [read_bundle(tmp_path / "out" / name).manifest.name for name in ("cards", "dice")] == ["cards", "dice"]


def test_bundle_that_is_not_there_is_an_error(
    website: Website, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([f"{website.url}/none", "--out", str(tmp_path / "out")]) == 1
    line = json.loads(capsys.readouterr().err)
    assert line["event"] == "fetch_failed"
    assert line["message"].endswith("/none/manifest.json: there is no such file or folder; correct the URL")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["cards", "--out", "x"], "'cards' is no URL; write one such as s3://bucket/cards"),
        (["s3://a/b", "gs://c/b", "--out", "x"], "two of the URLs end with the same name; copy them one by one"),
        (["s3://a/b"], "the following arguments are required: --out"),
    ],
)
def test_bad_arguments_are_named(arguments: list[str], problem: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert problem in capsys.readouterr().err


def test_terminal_shows_progress(website: Website, tmp_path: Path) -> None:
    write_tiny_bundle(website.folder / "cards")
    website.held.add("/cards/model.onnx")
    ours, theirs = os.openpty()
    command = [sys.executable, "-m", "service.fetch", f"{website.url}/cards", "--out", str(tmp_path / "out")]
    with subprocess.Popen(command, cwd=ROOT, stderr=theirs) as process:
        assert website.half_sent.wait(SECONDS)
        website.go.set()
        assert process.wait(SECONDS) == 0
    shown = os.read(ours, 10_000).decode()
    os.close(ours)
    os.close(theirs)
    assert re.search(r"\rmodel\.onnx: +0%.*B/s\].*\r *\r.* fetched tiny version 1 from", shown, re.DOTALL)
