"""Each example against a server of the packaged bundle."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import pytest
from PIL import Image

from service.bundle import read_bundle
from tests.service.server_process import serving
from tests.singleshot.client.scripted_server import GOOD, ScriptedServer, busy

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
PICTURE = ROOT / "service/bundles/bccd-passd-320/blood-cells-2.jpg"
NEEDS_A_CLUSTER = "ray_detect.py"
SECONDS = 60
NODE = shutil.which("node")
STARTERS = {".py": sys.executable, ".mjs": NODE, ".sh": "sh"}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    bundle = read_bundle(ROOT / "service/bundles/bccd-passd-320")
    with serving(bundle, SINGLESHOT_ENGINE_STREAMS="1") as (_, _, port):
        yield f"http://127.0.0.1:{port}"


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=SECONDS)


def output_of(*command: str | Path, cwd: Path) -> str:
    """Run a command -> its standard output; fail with its standard error if its status is not 0."""
    done = run(*command, cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_curl_prints_the_answers_and_draws(url: str, tmp_path: Path) -> None:
    printed = output_of(EXAMPLES / "curl.sh", PICTURE, url, cwd=tmp_path)
    _, one, best, two = (json.loads(line) for line in printed.splitlines() if line.startswith("{"))
    assert {found["label"] for found in one["results"][0]["detections"]} == {"RBC", "WBC"}
    assert len(best["results"][0]["detections"]) == 3
    assert len(two["results"]) == 2
    with Image.open(tmp_path / "detections.jpg") as drawn:
        assert drawn.size == (640, 480)


def test_curl_ends_with_the_server_s_reason_at_an_error(url: str, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("no picture")
    done = run(EXAMPLES / "curl.sh", "text.txt", url, cwd=tmp_path)
    assert done.returncode != 0
    assert "not an image that this server reads" in done.stdout
    assert done.stdout.count("not an image") == 1, "the requests after it are not sent"


def test_one_picture_is_detected_and_drawn(url: str, tmp_path: Path) -> None:
    printed = output_of(sys.executable, EXAMPLES / "detect.py", PICTURE, url, cwd=tmp_path)
    assert re.search(r"^WBC +1\.00 +\(147\.\d+, 233\.\d+, 345\.\d+, 422\.\d+\)$", printed, re.MULTILINE)
    with Image.open(tmp_path / "detections.png") as drawn:
        assert drawn.size == (640, 480)


def test_a_folder_is_detected_in_the_order_of_its_names(url: str, tmp_path: Path) -> None:
    for number in (1, 2, 3):
        shutil.copy(ROOT / f"service/bundles/bccd-passd-320/blood-cells-{number}.jpg", tmp_path)
    (tmp_path / "blood-cells-0.png").write_text("no picture")
    printed = output_of(sys.executable, EXAMPLES / "detect_async.py", tmp_path, url, cwd=tmp_path)
    lines = [json.loads(line) for line in printed.splitlines()]
    assert [Path(line["path"]).stem for line in lines] == [f"blood-cells-{number}" for number in range(4)]
    assert "415" in lines[0]["error"]
    assert all(line["detections"] for line in lines[1:])


def test_a_video_is_detected_at_its_own_rate_to_its_end(url: str, tmp_path: Path) -> None:
    frame = cv2.imread(str(PICTURE))
    video = cv2.VideoWriter(str(tmp_path / "video.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 25, (640, 480))
    for _ in range(5):
        video.write(frame)
    video.release()
    done = run(sys.executable, EXAMPLES / "webcam.py", "video.avi", url, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert 1 <= len(done.stdout.splitlines()) <= 5
    assert "'WBC': 1" in done.stdout
    assert "frames a second" in done.stderr


def test_a_camera_that_is_none_is_named(url: str, tmp_path: Path) -> None:
    done = run(sys.executable, EXAMPLES / "webcam.py", "none.avi", url, cwd=tmp_path)
    assert done.returncode == 1
    assert "none.avi cannot be opened: give the number of a camera or a video file" in done.stderr


@pytest.mark.skipif(NODE is None, reason="it needs Node.js")
def test_javascript_detects(url: str, tmp_path: Path) -> None:
    assert NODE is not None
    printed = output_of(NODE, EXAMPLES / "detect.mjs", PICTURE, url, cwd=tmp_path)
    assert re.search(r"^WBC +1\.00", printed, re.MULTILINE)
    (tmp_path / "text.txt").write_text("no picture")
    done = run(NODE, EXAMPLES / "detect.mjs", "text.txt", url, cwd=tmp_path)
    assert done.returncode == 1
    assert "415: not an image that this server reads" in done.stderr


@pytest.mark.skipif(NODE is None, reason="it needs Node.js")
def test_javascript_waits_for_a_busy_server(tmp_path: Path) -> None:
    assert NODE is not None
    with ScriptedServer.running() as scripted:
        scripted.play(busy(retry_after="1", retry_after_ms="20"), busy(retry_after_ms="20"), GOOD)
        printed = output_of(NODE, EXAMPLES / "detect.mjs", PICTURE, scripted.url, cwd=tmp_path)
    assert printed.startswith("red")
    assert [body for _, body in scripted.requests] == [PICTURE.read_bytes()] * 3


def test_triton_s_client_detects(url: str, tmp_path: Path) -> None:
    address = url.removeprefix("http://")
    printed = output_of(sys.executable, EXAMPLES / "tritonclient_http.py", PICTURE, address, cwd=tmp_path)
    assert re.search(r"^WBC +1\.00 +\[147\.", printed, re.MULTILINE)


@pytest.mark.parametrize(
    "example", [path for path in sorted(EXAMPLES.iterdir()) if path.suffix in STARTERS], ids=lambda path: path.name
)
def test_an_example_without_arguments_says_what_it_takes(example: Path, tmp_path: Path) -> None:
    if (starter := STARTERS[example.suffix]) is None:
        pytest.skip("it needs Node.js")
    done = run(starter, example, cwd=tmp_path)
    assert done.returncode != 0
    assert example.name in done.stderr or "is not installed; run" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_folder_without_pictures_is_named(tmp_path: Path) -> None:
    done = run(sys.executable, EXAMPLES / "detect_async.py", "none", cwd=tmp_path)
    assert done.returncode == 1
    assert "none: it is no folder with pictures" in done.stderr


def test_the_index_names_each_example_and_a_test_runs_it() -> None:
    index = (EXAMPLES / "README.md").read_text()
    tests = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    names = [path.name for path in EXAMPLES.iterdir() if path.is_file() and path.name != "README.md"]
    assert [name for name in names if f"[{name}]({name})" not in index] == []
    assert [name for name in names if name != NEEDS_A_CLUSTER and f'"{name}"' not in tests] == []
