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
    staged = path.with_name(f".{path.name}.new")
    try:
        with staged.open("wb") as file:
            yield file
        staged.replace(path)
    finally:
        staged.unlink(missing_ok=True)


def check_outside(out: Path, source: str) -> None:
    """Raise OutputError if the folder `out` lies in the folder `source`, whose pictures would then be its own."""
    if Path(source).is_dir() and out.resolve().is_relative_to(Path(source).resolve()):
        raise OutputError(
            f"{out}: it lies in the source {source}, so the next run would read the drawn pictures; choose a folder "
            "outside"
        )
