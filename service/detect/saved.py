"""The results of a run in files: the journal, the pictures' own files, the failures, and the converted file."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from service.bundle import Manifest
from service.detect.failures import Failures
from service.detect.journal import Journal
from service.detect.outputs.format import OutputError
from service.detect.outputs.place import OutputPlace, replacing
from service.detect.outputs.yolo import CLASSES
from service.detect.picture import Failure, Result


class SavedResults:
    """Writes the results of each batch in an order that lets a later run go on after any end of this one.

    Raises OutputError if the disk is full or a file cannot be written.
    """

    def __init__(self, place: OutputPlace, journal: Journal, manifest: Manifest) -> None:
        self._place = place
        self._journal = journal
        self._manifest = manifest
        self._folders: set[Path] = set()
        with self._writing():
            self._failures = Failures(place.failures)
            if place.format.name == "yolo":
                (place.out / CLASSES).write_text("".join(f"{name}\n" for name in manifest.classes))

    def write(self, batch: list[Result | Failure]) -> None:
        """Write one batch: the pictures' own files before the lines that say that they are done."""
        with self._writing():
            results = [result for result in batch if isinstance(result, Result)]
            for result in results:
                if result.content is not None:
                    self._write_own(self._place.file_of(result.name), result.content)
            self._journal.append(b"".join(result.line for result in results))
            self._failures.add([failure for failure in batch if isinstance(failure, Failure)])

    def finish(self) -> str:
        """Write the file that is converted from the journal, if there is one -> a note for the user."""
        with self._writing():
            self._journal.sync()
            if self._place.format.convert is None:
                return ""
            with replacing(self._place.out) as file:
                return self._place.format.convert(self._journal.results(), self._manifest, file)

    def _write_own(self, path: Path, content: bytes) -> None:
        if path.parent not in self._folders:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._folders = {path.parent}  # the pictures come folder by folder
        with replacing(path) as file:
            file.write(content)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise OutputError(
                f"{self._place.out}: it cannot be written: {error.strerror}; what is done is kept, so the same command "
                "goes on once this is mended"
            ) from error
