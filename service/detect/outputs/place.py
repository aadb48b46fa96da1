"""The files of an output."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from service.detect.outputs.format import Format, OutputError
from service.remote import is_remote

LEADING = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*://)?/*")  # the scheme of a URL, or the root


@dataclass(frozen=True)
class OutputPlace:
    """Where the files of an output `out` lie. `root` is the folder that all pictures lie in, "" if that is not known.

    In a folder of outputs the pictures keep their places below the root, or without one their whole names.
    """

    out: Path
    format: Format
    root: str

    @property
    def journal(self) -> Path:
        """The JSON lines, one for each picture that is done."""
        if self.format.is_folder:
            return self.out / "detections.jsonl"
        return self._beside(".jsonl") if self.format.convert else self.out

    @property
    def record(self) -> Path:
        """The settings of the run."""
        return self.out / "run.json" if self.format.is_folder else self._beside(".run.json")

    @property
    def failures(self) -> Path:
        """The pictures that could not be used, as JSON lines with name and reason."""
        return self.out / "failed.jsonl" if self.format.is_folder else self._beside(".failed.jsonl")

    @property
    def begun(self) -> set[str]:
        """The names of the files that are there, and empty, if a run ended before it wrote its settings."""
        return {self.journal.name, staged(self.record).name}

    def file_of(self, name: str) -> Path:
        """The own file of a picture in a folder of outputs."""
        if self.root and not is_remote(name):
            place = os.path.relpath(os.path.abspath(name), self.root)  # noqa: PTH100 Path has no such function
        else:
            place = LEADING.sub("", name)
        parts = [part for part in place.split("/") if part not in ("", ".", "..")]
        return self.out / self.format.file_name("/".join(parts))

    def _beside(self, ending: str) -> Path:
        return self.out.with_name(self.out.name + ending)


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Write a file as a whole: it replaces the old one at the end of the block, and an error leaves the old one."""
    new = staged(path)
    try:
        with new.open("wb") as file:
            yield file
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


def staged(path: Path) -> Path:
    """The file beside `path` that `replacing` writes."""
    return path.with_name(f".{path.name}.new")


def check_outside(out: Path, source: str, root: str) -> None:
    """Raise OutputError if the folder `out` lies in a `source`, which would then read the pictures drawn there.

    `root` is the folder in which the source's pictures lie, "" if that is not known.
    """
    is_deep = Path(source).is_dir() or (bool(root) and "**" in source)
    if is_deep and out.resolve().is_relative_to(Path(root or source).resolve()):
        raise OutputError(
            f"{out}: it lies in the source {source}, so the next run would read the drawn pictures; choose a folder "
            "outside"
        )


def check_apart(place: OutputPlace) -> None:
    """Raise OutputError if a drawn picture would replace the picture itself."""
    folders = [Path(place.root)] if place.root else [Path(), Path("/")]  # below which the pictures have their names
    if place.format.name == "images" and place.out.resolve() in [folder.resolve() for folder in folders]:
        raise OutputError(f"{place.out}: the drawn pictures would replace those of the source; choose a folder outside")
