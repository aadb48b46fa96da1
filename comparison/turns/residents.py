"""All compared servers, started at once; one of them runs at a time."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeVar

from comparison.peers import Peer, PeerError
from comparison.running import running
from comparison.turns.resident import Resident

Result = TypeVar("Result")


class Residents:
    """The servers that still take part. `failures` gets the reason for each server that does not."""

    def __init__(self, images: Sequence[bytes], venvs: Path, failures: dict[str, str]) -> None:
        self._images = images
        self._venvs = venvs
        self._failures = failures
        self._stacks: dict[str, ExitStack] = {}
        self._residents: dict[str, Resident] = {}

    def __enter__(self) -> "Residents":
        return self

    def __exit__(self, *_: object) -> None:
        for name in list(self._stacks):
            self._close(name)

    @property
    def all(self) -> list[Resident]:
        """The servers that take part, in the order of their start."""
        return list(self._residents.values())

    def start(self, name: str, peer: Peer) -> None:
        """Start a server in the first of its settings, and pause it."""
        stack = self._stacks[name] = ExitStack()
        with self._left_out_if_it_fails(name):
            processes, target = stack.enter_context(running(peer, self._images, self._venvs))
            resident = Resident(name, peer, processes, target, self._images)
            resident.pause()
            self._residents[name] = resident

    def turn(self, resident: Resident, work: Callable[[Resident], Result]) -> Result | None:
        """Let one server run while it is measured. If it fails, the result is None and it is left out from then on."""
        with self._left_out_if_it_fails(resident.name):
            resident.resume()
            result = work(resident)
            resident.pause()
            return result
        return None

    @contextmanager
    def _left_out_if_it_fails(self, name: str) -> Iterator[None]:
        try:
            yield
        except (PeerError, OSError) as error:
            self._failures[name] = f"{error}"
            print(f"{name} is left out: {error}", file=sys.stderr, flush=True)
            self._residents.pop(name, None)
            self._close(name)

    def _close(self, name: str) -> None:
        self._stacks.pop(name).close()
