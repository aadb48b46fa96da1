"""Videos: their frames as pictures."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from service.bundle import Bundle
from service.detect.video import VideoError, frames_of, num_frames
from tests.service.detect.command import detect, lines_of

NUM_FRAMES = 20


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """A video of a tenth of a second a frame; a red block moves by 2 pixels in each frame."""
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 64))
    for number in range(NUM_FRAMES):
        frame = np.zeros((64, 64, 3), np.uint8)
        frame[24:40, 2 * number : 2 * number + 16, 2] = 255
        writer.write(frame)
    writer.release()
    return path


def test_frames_have_their_number_and_their_time(tiny_bundle: Bundle, clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "found.jsonl"
    assert detect(tiny_bundle, clip, "--out", out, "--every", "4", "--score-threshold", "0.5") == 0
    lines = lines_of(out)
    assert [line["name"] for line in lines] == [f"{clip}#{number:06d}" for number in (0, 4, 8, 12, 16)]
    assert [line["seconds"] for line in lines] == pytest.approx([0, 0.4, 0.8, 1.2, 1.6], abs=0.01)
    assert [line["detections"][0]["box"]["x1"] for line in lines] == [0, 8, 16, 24, 32]
    assert {line["detections"][0]["label"] for line in lines} == {"red"}


def test_a_torn_run_over_a_video_goes_on(tiny_bundle: Bundle, clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "found.jsonl"
    detect(tiny_bundle, clip, "--out", out)
    whole = out.read_bytes()
    out.write_bytes(whole[: len(whole) // 2])
    assert detect(tiny_bundle, clip, "--out", out) == 0
    assert out.read_bytes() == whole
    assert whole.count(b"\n") == NUM_FRAMES


def test_drawn_frames_have_names_of_their_own(tiny_bundle: Bundle, clip: Path, tmp_path: Path) -> None:
    assert detect(tiny_bundle, clip, "--out", tmp_path / "drawn", "--format", "images", "--every", "10") == 0
    drawn = sorted(path.name for path in (tmp_path / "drawn").glob("*.jpg"))
    assert drawn == ["clip.avi#000000.jpg", "clip.avi#000010.jpg"]


def test_a_broken_video_in_a_folder_is_listed(tiny_bundle: Bundle, photos: Path, clip: Path, tmp_path: Path) -> None:
    (photos / "broken.mp4").write_bytes(b"no video")
    clip.rename(photos / "clip.avi")
    assert detect(tiny_bundle, photos, "--out", tmp_path / "found.jsonl") == 3
    assert sum("seconds" in line for line in lines_of(tmp_path / "found.jsonl")) == NUM_FRAMES
    (failure,) = lines_of(tmp_path / "found.jsonl.failed.jsonl")
    assert failure["name"] == str(photos / "broken.mp4")


def test_a_video_that_is_cut_short_is_listed_and_its_frames_are_kept(
    tiny_bundle: Bundle, clip: Path, tmp_path: Path
) -> None:
    clip.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    out = tmp_path / "found.jsonl"
    assert detect(tiny_bundle, clip, "--out", out) == 3
    assert 0 < len(lines_of(out)) < NUM_FRAMES
    (failure,) = lines_of(tmp_path / "found.jsonl.failed.jsonl")
    assert f"only {len(lines_of(out))} of about {NUM_FRAMES} frames can be read" in failure["reason"]


def test_a_video_whose_name_is_no_utf_8_is_listed(
    tiny_bundle: Bundle, photos: Path, clip: Path, tmp_path: Path
) -> None:
    os.rename(clip, os.fsencode(photos) + b"/\xff.avi")  # noqa: PTH104 a Path is text
    assert detect(tiny_bundle, photos, "--out", tmp_path / "found.jsonl") == 3
    (failure,) = lines_of(tmp_path / "found.jsonl.failed.jsonl")
    assert "must be UTF-8" in failure["reason"]


def test_the_header_gives_the_number_of_frames(clip: Path) -> None:
    assert num_frames(str(clip), 1) == NUM_FRAMES
    assert num_frames(str(clip), 3) == len(list(frames_of(str(clip), 3, lambda _: False))) == 7


def test_a_file_that_is_no_video_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(b"no video")
    with pytest.raises(VideoError, match="the video cannot be read; convert it"):
        next(frames_of(str(tmp_path / "clip.mp4"), 1, lambda _: False))
