"""A server as the operating system sees it: all its processes, and their CPU time and memory."""

import os
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from comparison.peers import PeerError

ROOT = Path(__file__).parents[1]
MARK = "COMPARISON_OF_SERVERS"  # no name of a setting
START_SECONDS = 180
STOP_SECONDS = 15
MAX_TRIES = 3
NUM_LAST_LINES = 3


class ServerProcesses:
    """The processes of a server, identified by a mark in their environment because some detach from their parent."""

    def __init__(self, mark: str) -> None:
        self._mark = mark

    def launch(self, command: Sequence[str], environment: Mapping[str, str], folder: Path) -> "subprocess.Popen[bytes]":
        """Start the first process. It logs to `log` in `folder`, which is also its home: some servers write there."""
        variables = {**os.environ, **environment, "PYTHONPATH": python_path(), "HOME": str(folder), MARK: self._mark}
        with (folder / "log").open("w") as log:
            return subprocess.Popen(command, env=variables, stdout=log, stderr=subprocess.STDOUT, cwd=folder)

    def all(self) -> list[psutil.Process]:
        """The processes that are alive now."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get(MARK) == self._mark:
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def cpu_seconds(self) -> float:
        """CPU time of all processes, user and system, since they started."""
        return self._total(lambda process: sum(process.cpu_times()[:2]))

    def memory_bytes(self) -> int:
        """Resident memory of all processes; a page that two of them share counts twice."""
        return round(self._total(lambda process: process.memory_info().rss))

    def _total(self, figure: Callable[[psutil.Process], float]) -> float:
        """The sum of a figure over the processes; one that ends meanwhile does not count."""
        total = 0.0
        for process in self.all():
            with suppress(psutil.Error):
                total += figure(process)
        return total

    def stop(self) -> None:
        """Send SIGTERM to all processes, and SIGKILL to those that do not end within STOP_SECONDS."""
        processes = self.all()
        for process in processes:
            try:
                process.terminate()
            except psutil.Error:
                continue
        _, alive = psutil.wait_procs(processes, timeout=STOP_SECONDS)
        for process in {*alive, *self.all()}:
            try:
                process.kill()
            except psutil.Error:
                continue


def python_path() -> str:
    """PYTHONPATH for a process that needs this tree's packages; what the caller has there stays visible."""
    return os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])


@contextmanager
def started(
    command: Sequence[str], environment: Mapping[str, str], probe: urllib.request.Request
) -> Iterator[ServerProcesses]:
    """Start a server, wait until it answers the probe with 200, and stop it at the end; raises PeerError.

    A server may start MAX_TRIES times: some limit the time of their own start, too strictly for a busy machine.
    """
    with tempfile.TemporaryDirectory() as folder:
        for number in range(1, MAX_TRIES + 1):
            processes = ServerProcesses(uuid.uuid4().hex)
            process = processes.launch(command, environment, Path(folder))
            try:
                try:
                    wait_until_ready(process, probe, Path(folder) / "log")
                except PeerError:
                    if number == MAX_TRIES:
                        raise
                    continue
                yield processes
                return
            finally:
                processes.stop()
                process.wait()


def wait_until_ready(process: "subprocess.Popen[bytes]", probe: urllib.request.Request, log: Path) -> None:
    """Wait until the server answers the probe with 200; raises PeerError."""
    give_up_at = time.monotonic() + START_SECONDS
    reason = "no attempt"
    while process.poll() is None and time.monotonic() < give_up_at:
        try:
            with urllib.request.urlopen(probe, timeout=START_SECONDS / 3):
                return
        except urllib.error.HTTPError as error:
            reason = f"status {error.code}"
        except OSError as error:
            reason = str(error)
        time.sleep(0.5)
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    last = " / ".join(lines[-NUM_LAST_LINES:])[-500:] if lines else "none"
    how = f"ended with status {process.poll()}" if process.poll() is not None else f"no answer in time ({reason})"
    raise PeerError(f"not started: {how}; last lines of its log: {last}")
