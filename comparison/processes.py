"""A server as the operating system sees it: all its processes, their CPU time and memory; it can be paused."""

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
PAUSE_SECONDS = 5
STOP_SECONDS = 15
MAX_TRIES = 3
NUM_LAST_LINES = 3


class ServerProcesses:
    """The processes of a server: those with its mark in their environment, because some detach from their parent.

    The children of marked processes belong to it too, because some overwrite their environment with a title.
    """

    def __init__(self, mark: str) -> None:
        self._mark = mark
        self._log: Path | None = None

    def launch(self, command: Sequence[str], environment: Mapping[str, str], folder: Path) -> "subprocess.Popen[bytes]":
        """Start the first process. It logs to `log` in `folder`, which is also its home: some servers write there."""
        variables = {**os.environ, **environment, "PYTHONPATH": python_path(), "HOME": str(folder), MARK: self._mark}
        self._log = folder / "log"
        with self._log.open("w") as log:  # a session of its own: Ctrl-C ends this program, and this program the server
            return subprocess.Popen(
                command, env=variables, stdout=log, stderr=subprocess.STDOUT, cwd=folder, start_new_session=True
            )

    def last_lines(self) -> str:
        """The last lines of its log; "none" without any."""
        text = self._log.read_text(errors="replace") if self._log else ""
        lines = [line for line in text.splitlines() if line.strip()]
        return " / ".join(lines[-NUM_LAST_LINES:])[-500:] or "none"

    def all(self) -> list[psutil.Process]:
        """The processes that are alive now, the oldest first unless their numbers wrapped around."""
        found: dict[int, psutil.Process] = {}
        for process in psutil.process_iter():  # in the order of their numbers: parents before their children
            with suppress(psutil.Error):
                if process.environ().get(MARK) == self._mark or process.ppid() in found:
                    found[process.pid] = process
        return list(found.values())

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

    def pause(self) -> None:
        """Stop all processes where they are, with SIGSTOP, until `resume`; raises PeerError.

        The oldest first, because a supervisor whose workers are paused may take them for dead; `resume` goes backwards.
        """
        give_up_at = time.monotonic() + PAUSE_SECONDS
        while not_paused := [process for process in self.all() if not is_paused(process)]:
            if time.monotonic() > give_up_at:
                raise PeerError(f"not paused: {not_paused[0]} still runs")
            for process in not_paused:
                with suppress(psutil.Error):
                    process.suspend()
            time.sleep(0.01)

    def resume(self) -> None:
        """Let all processes go on, the youngest first."""
        for process in reversed(self.all()):
            with suppress(psutil.Error):
                process.resume()

    def stop(self) -> None:
        """Send SIGTERM to all processes, and SIGKILL to those that do not end within STOP_SECONDS.

        A paused process goes on before: it cannot end while it is paused.
        """
        self.resume()
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


def is_paused(process: psutil.Process) -> bool:
    """Whether a process is stopped by a signal, or has ended."""
    try:
        return process.status() in (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return True


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
                    wait_until_ready(processes, process, probe)
                except PeerError:
                    if number == MAX_TRIES:
                        raise
                    continue
                yield processes
                return
            finally:
                processes.stop()
                process.wait()


def wait_until_ready(
    processes: ServerProcesses, first: "subprocess.Popen[bytes]", probe: urllib.request.Request
) -> None:
    """Wait until the server answers the probe with 200; raises PeerError, also if its first process ends."""
    give_up_at = time.monotonic() + START_SECONDS
    reason = "no attempt"
    while first.poll() is None and time.monotonic() < give_up_at:
        try:
            with urllib.request.urlopen(probe, timeout=START_SECONDS / 3):
                return
        except urllib.error.HTTPError as error:
            reason = f"status {error.code}"
        except OSError as error:
            reason = str(error)
        time.sleep(0.5)
    how = f"ended with status {first.poll()}" if first.poll() is not None else f"no answer in time ({reason})"
    raise PeerError(f"not started: {how}; last lines of its log: {processes.last_lines()}")
