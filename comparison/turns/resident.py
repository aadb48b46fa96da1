"""A server that stays started between its turns, paused, so that it takes nothing from the others."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from comparison.loads import DEADLINE, PATIENT
from comparison.peers import Peer, PeerError
from comparison.processes import ServerProcesses
from service.benchmark.http_load import Target

REST_SECONDS = 4.0  # after the warm-up: a server may still compile or measure what it needs later
IDLE_SECONDS = 5.0
QUIET_WINDOW_SECONDS = 0.25
NUM_QUIET_WINDOWS = 2
QUIET_CORES = 0.2  # more than the server uses when it is idle
QUIET_SECONDS = 60.0


@dataclass(frozen=True)
class Standing:
    """The figures of a server that do not depend on the load, measured while all other servers are paused."""

    server: str
    setting: str
    idle_cpu_percent: float  # of one core
    memory_mb: float


class Resident:
    """A started and warm server. It runs when it is made, and `pause` and `resume` take turns from then on."""

    def __init__(
        self, name: str, peer: Peer, processes: ServerProcesses, target: Target, images: Sequence[bytes]
    ) -> None:
        self.name = name
        self.target = target
        self.processes = processes
        self.requests = [peer.request(target, image, PATIENT) for image in images]
        self.requests_with_deadline = [peer.request(target, image, DEADLINE) for image in images]
        time.sleep(REST_SECONDS)
        pids, before = self._pids(), processes.cpu_seconds()
        time.sleep(IDLE_SECONDS)
        self._idle_cores = (processes.cpu_seconds() - before) / IDLE_SECONDS
        self._lasting = pids & self._pids()
        memory_mb = processes.memory_bytes() / 1e6
        self.standing = Standing(name, peer.settings[0].name, 100 * self._idle_cores, memory_mb)

    def resume(self) -> None:
        """Begin a turn."""
        self.processes.resume()

    def pause(self) -> None:
        """End a turn once the server is quiet; raises PeerError."""
        self._wait_until_quiet()
        self.check()
        self.processes.pause()

    def check(self) -> None:
        """Raise PeerError if one of the processes has ended."""
        if lost := self._lasting - self._pids():
            last = self.processes.last_lines()
            raise PeerError(f"{len(lost)} of its {len(self._lasting)} processes ended; last lines of its log: {last}")

    def _wait_until_quiet(self) -> None:
        give_up_at = time.monotonic() + QUIET_SECONDS
        num_quiet = 0
        while num_quiet < NUM_QUIET_WINDOWS:
            if time.monotonic() > give_up_at:
                raise PeerError(f"it still computes {QUIET_SECONDS:.0f} s after its last load")
            before, start = self.processes.cpu_seconds(), time.monotonic()
            time.sleep(QUIET_WINDOW_SECONDS)
            cores = (self.processes.cpu_seconds() - before) / (time.monotonic() - start)
            num_quiet = num_quiet + 1 if cores <= self._idle_cores + QUIET_CORES else 0

    def _pids(self) -> set[int]:
        return {process.pid for process in self.processes.all()}
