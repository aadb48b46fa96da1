"""The sources of a run: files, folders, patterns, list files and remote places, each a sequence of names."""

import glob
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from service.detect.video import VideoError, is_video, open_video
from service.detection.decode import IMAGE_SUFFIXES
from service.remote import RemoteError, is_remote, list_files

LIST_SUFFIX = ".txt"
MAGIC = re.compile(r"[*?[]")
KINDS = "give image files, folders, patterns such as 'photos/*.jpg', @LIST.txt, videos, or URLs such as s3://…"


class SourceError(Exception):
    """A source that has no pictures or cannot be read; the message names it and the remedy."""


@dataclass(frozen=True)
class Source:
    """A source by its `name`. `list_names` lists the names of its image files and videos, in an order that stays.

    `root` is the folder that all of them lie in, "" if that is not known.
    """

    name: str
    root: str
    list_names: Callable[[], Iterator[str]]


def open_sources(names: Sequence[str]) -> list[Source]:
    """The sources; raises SourceError if one of them has no pictures."""
    if not names:
        raise SourceError(f"there is no source; {KINDS}")
    sources = [open_source(name) for name in names]
    for source in sources:
        try:
            first = next(source.list_names(), None)
        except OSError as error:
            raise SourceError(f"{source.name}: it cannot be read: {error}") from error
        if first is None:
            raise SourceError(f"{source.name}: there is no picture and no video in it; {KINDS}")
    return sources


def open_source(name: str) -> Source:
    """The source of that name; raises SourceError."""
    if is_remote(name):
        try:
            files = list_files(name)
        except RemoteError as error:
            raise SourceError(str(error)) from error
        return Source(name, "", lambda: iter(files if files == [name] else filter(is_wanted, files)))
    path = Path(name)
    if name.startswith("@") or (path.suffix == LIST_SUFFIX and path.is_file()):
        return list_source(name)
    if path.is_dir():
        return Source(name, name, lambda: names_in_folder(name))
    if path.is_file():
        if is_video(name):
            check_video(name)
        return Source(name, str(path.parent), lambda: iter([name]))
    if path.exists():
        raise SourceError(f"{name}: it is no file and no folder; {KINDS}")
    if MAGIC.search(name):
        fixed = Path(*path.parts[: next(n for n, part in enumerate(path.parts) if MAGIC.search(part))])
        return Source(name, str(fixed), lambda: filter(is_wanted, sorted(glob.glob(name, recursive=True))))  # noqa: PTH207 as a shell reads it
    raise SourceError(f"{name}: there is no such file or folder; {KINDS}")


def list_source(name: str) -> Source:
    """The source of a file with a name of a picture or a video on each line, relative to the working directory.

    Names may have bytes that are no UTF-8, as in a folder. Listing raises SourceError if the file is no text.
    """
    path = Path(name.removeprefix("@"))
    if path.exists() and not path.is_file():
        raise SourceError(f"{path}: it is no file; a list is read several times, so write it to one")
    if not path.is_file():
        raise SourceError(f"{path}: there is no such file; @ stands before a file with a picture's name on each line")

    def lines() -> Iterator[str]:
        with path.open(encoding="utf-8-sig", errors="surrogateescape") as file:
            for number, line in enumerate(file, 1):
                if "\0" in line:
                    raise SourceError(f"{path}: line {number} has a zero byte; write the list as text in UTF-8")
                if line.strip():
                    yield line.strip()

    return Source(name, "", lines)


def names_in_folder(folder: str) -> Iterator[str]:
    """The image files and videos below a folder: its own by name, then those of each folder in it.

    It holds the names of one folder at a time. Of an inner folder that cannot be read it gives the name of the folder.
    Raises OSError if the folder itself cannot be read.
    """
    with os.scandir(folder) as entries:
        found = sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries)
    yield from (os.path.join(folder, name) for name, is_folder in found if not is_folder and is_wanted(name))  # noqa: PTH118 a Path for each of millions of names takes ten times as long
    for name, is_folder in found:
        if is_folder:
            inner = os.path.join(folder, name)  # noqa: PTH118
            try:
                yield from names_in_folder(inner)
            except OSError:
                yield inner  # as a picture it meets the same error, and is listed as failed


def is_wanted(name: str) -> bool:
    """Whether a file in a folder is an image or a video, by its name."""
    return os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES or is_video(name)  # noqa: PTH122


def check_video(name: str) -> None:
    """Raise SourceError if a video that was named cannot be read."""
    try:
        open_video(name).release()
    except VideoError as error:
        raise SourceError(str(error)) from error


def any_remote(sources: Iterable[Source]) -> bool:
    """Whether a source's pictures, or the first one of its list, are not on this machine."""
    return any(is_remote(next(source.list_names(), "")) for source in sources if not source.root)


def common_root(sources: Iterable[Source]) -> str:
    """The folder that all sources lie in; "" if one of them has pictures anywhere."""
    roots = [source.root for source in sources]
    return os.path.commonpath([os.path.abspath(root) for root in roots]) if all(roots) else ""  # noqa: PTH100
