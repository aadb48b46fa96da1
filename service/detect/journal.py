"""The file of JSON lines that a run appends to: one line for each picture that is done.

A line is written after all else that belongs to its picture, so a run that is killed at any moment can go on.
"""

import fcntl
import hashlib
import json
import os
from array import array
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

NAME_KEY = b'{"name":'
REMEDY = "choose another --out, or replace it with --restart"
scan_string = json.decoder.scanstring  # type: ignore[attr-defined] # it reads the name without reading all of the line


class JournalError(Exception):
    """A file that is no journal, or that another run writes; the message names it and the remedy."""


class Journal:
    """Opens or creates the file, and keeps other runs out. A last line that is cut short is removed; if the journal
    `is_new`, all lines are.

    It knows the names of the pictures that were done before by 8 bytes of a hash each: 80 MB for ten million. Two of
    ten million names have the same hash with a probability of 3 in a million. Raises JournalError and OSError.
    """

    def __init__(self, path: Path, *, is_new: bool = False) -> None:
        self.path = path
        self._file = open(path, "a+b", buffering=0)  # noqa: PTH123, SIM115 it stays open
        try:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise JournalError(
                    f"{path}: another run is writing it; wait for its end, or choose another --out"
                ) from error
            if is_new:
                os.truncate(self._file.fileno(), 0)
            self._done, self._size = self._read()
            os.truncate(self._file.fileno(), self._size)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let other runs write it."""
        self._file.close()

    def __len__(self) -> int:
        """Pictures that were done when the journal was opened."""
        return len(self._done)

    def __contains__(self, name: str) -> bool:
        """Whether the picture was done when the journal was opened."""
        number = hash_of(name)
        index = int(np.searchsorted(self._done, np.uint64(number)))
        return index < len(self._done) and int(self._done[index]) == number

    def append(self, lines: bytes) -> None:
        """Write whole lines, or none of them: if the disk is full, the error leaves the file as it was."""
        try:
            left = memoryview(lines)
            while left:
                left = left[self._file.write(left) :]
        except OSError:
            os.truncate(self._file.fileno(), self._size)
            raise
        self._size += len(lines)

    @property
    def is_empty(self) -> bool:
        """Whether it has no line yet."""
        return self._size == 0

    def sync(self) -> None:
        """Wait until the disk has all lines, so that also a loss of power leaves them."""
        os.fsync(self._file.fileno())

    def results(self) -> Iterator[dict[str, Any]]:
        """Each line's object; raises JournalError."""
        with self.path.open("rb") as file:
            for number, line in enumerate(file, 1):
                try:
                    yield json.loads(line)
                except ValueError as error:
                    raise JournalError(f"{self.path}: line {number} is damaged; {REMEDY}") from error

    def _read(self) -> tuple[np.ndarray[Any, np.dtype[np.uint64]], int]:
        """The sorted hashes of the names, and the length of the whole lines in bytes."""
        hashes, size = array("Q"), 0
        with self.path.open("rb") as file:
            for line in file:
                if not line.endswith(b"\n"):
                    break
                if not line.startswith(NAME_KEY + b'"'):
                    raise JournalError(f"{self.path}: byte {size} begins no line of this command; {REMEDY}")
                try:
                    name, _ = scan_string(line.decode(errors="surrogateescape"), len(NAME_KEY) + 1)
                except ValueError as error:
                    raise JournalError(f"{self.path}: the line at byte {size} is damaged; {REMEDY}") from error
                hashes.append(hash_of(name))
                size += len(line)
        return np.sort(np.frombuffer(hashes, np.uint64)) if hashes else np.zeros(0, np.uint64), size


def hash_of(name: str) -> int:
    """8 bytes of a hash of a picture's name."""
    return int.from_bytes(hashlib.blake2b(name.encode(errors="surrogateescape"), digest_size=8).digest(), "little")
