"""The pictures of all sources, one after the other: image files, and the frames of videos."""

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from service.detect.picture import Failure, Picture
from service.detect.sources import Source
from service.detect.video import VideoError, frames_of, is_video, num_frames
from service.errors import ImageError
from service.remote import RemoteError, is_remote, read_file


def pictures_of(sources: Sequence[Source], every: int, is_done: Callable[[str], bool]) -> Iterator[Picture | Failure]:
    """The pictures that are not done yet, and a failure for each video that cannot be read; raises OSError.

    Of a video it takes every `every`-th frame.
    """
    for source in sources:
        for name in source.list_names():
            if not is_video(name):
                if not is_done(name):
                    yield Picture(name, partial(read_image, name))
            elif is_remote(name):
                yield Failure(name, "a video must be a local file; copy it to this machine")
            else:
                try:
                    yield from frames_of(name, every, is_done)
                except VideoError as error:
                    yield Failure(name, str(error))


def read_image(name: str) -> bytes:
    """The content of an image file; raises OSError and ImageError."""
    if not is_remote(name):
        check_plain(name)
        return Path(name).read_bytes()
    try:
        return read_file(name)
    except RemoteError as error:
        raise ImageError(422, str(error)) from error


def check_plain(name: str) -> None:
    """Raise OSError if a file is none, or ImageError if it is a pipe or a device, which may have no end."""
    mode = os.stat(name).st_mode  # noqa: PTH116 a Path takes longer
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):  # reading a folder is an error by itself
        raise ImageError(422, "it is a pipe or a device; give a file")


def count_pictures(sources: Sequence[Source], every: int, is_done: Callable[[str], bool]) -> Iterator[int]:
    """How many pictures there are so far, again after each name; the frames of a video are counted by its header."""
    count = 0
    for source in sources:
        for name in source.list_names():
            if not is_video(name):
                count += not is_done(name)
            elif not is_remote(name):
                try:
                    count += num_frames(name, every)
                except VideoError:
                    count += 1
            yield count
