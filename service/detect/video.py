"""The frames of a video file as pictures."""

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from service.detect.picture import Picture

VIDEO_SUFFIXES = frozenset([".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv", ".ts"])


MIN_SHARE = 0.9  # of the frames that the header promises; some containers only estimate their number


class VideoError(Exception):
    """A video that cannot be read; the message names it."""


def is_video(name: str) -> bool:
    """Whether the name is that of a video file."""
    return Path(name).suffix.lower() in VIDEO_SUFFIXES


def frame_name(video: str, number: int) -> str:
    """The name of a frame: video.mp4#000123, counted from 0."""
    return f"{video}#{number:06d}"


def open_video(name: str) -> cv2.VideoCapture:
    """Open a video file; raises VideoError."""
    if Path(name).exists() and not Path(name).is_file():
        raise VideoError(f"{name}: it is no file")  # a pipe may have no end
    if not name.isascii() and name != name.encode(errors="ignore").decode():  # OpenCV ends the process
        raise VideoError(f"{name}: the name of a video must be UTF-8; rename the file")
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # quiet: it would write into the progress bar
    capture = cv2.VideoCapture(name)
    if not capture.isOpened():
        raise VideoError(f"{name}: the video cannot be read; convert it, e.g. with `ffmpeg -i IN -c:v libx264 OUT.mp4`")
    return capture


def num_frames(name: str, every: int) -> int:
    """About how many frames `frames_of` gives, from the video's header; raises VideoError."""
    capture = open_video(name)
    count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    capture.release()
    return max(0, -(-count // every))


def frames_of(name: str, every: int, is_done: Callable[[str], bool]) -> Iterator[Picture]:
    """Every `every`-th frame of a video, upright, without those that are done.

    Raises VideoError, also behind the last frame that can be read if there should be many more.
    """
    capture = open_video(name)
    number = 0
    try:
        while capture.grab():
            frame = frame_name(name, number)
            if number % every == 0 and not is_done(frame):
                seconds = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
                is_read, pixels = capture.retrieve()
                if not is_read:
                    break
                yield Picture(frame, partial(to_rgb, pixels), round(seconds, 3), pixels.shape[0] * pixels.shape[1])
            number += 1
        expected = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    finally:
        capture.release()
    if number == 0 or number < MIN_SHARE * expected:
        raise VideoError(
            f"{name}: only {number} of about {expected} frames can be read; the video is broken or cut short"
        )


def to_rgb(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """pixels uint8 [H, W, 3] BGR, as OpenCV gives them -> RGB."""
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), np.uint8)
