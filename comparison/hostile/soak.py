"""The soak: a mix of hostile requests beside ordinary ones, for minutes, while the memory is watched."""

import threading
import time
from collections import Counter
from collections.abc import Sequence

import numpy as np

from comparison.hostile.attacker import Attacker
from comparison.hostile.requests import Hostile
from comparison.hostile.stall import Latencies, words_of
from comparison.processes import ServerProcesses
from service.benchmark.http_load import Target

NUM_ATTACKERS = 3
SAMPLE_SECONDS = 5.0
REST_SECONDS = 40.0  # the deadline of the last requests, and the server's interval for returning memory
MINUTE = 60.0
MAX_GROWTH = 0.05  # of the resident memory over the last two thirds


class MemoryWatch:
    """A context manager: while it is open, a thread samples the resident memory of the server in bytes."""

    def __init__(self, processes: ServerProcesses) -> None:
        self._processes = processes
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.times: list[float] = []
        self.samples: list[float] = []

    def __enter__(self) -> "MemoryWatch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._is_over.wait(SAMPLE_SECONDS):
            self.times.append(time.monotonic())
            self.samples.append(self._processes.memory_bytes())


def growth_of(times: Sequence[float], samples: Sequence[float]) -> float:
    """The growth of memory over the last two thirds, as a share of its mean: a line through the least of each minute.

    Single samples also hold the bodies and pixels of the requests of that moment, up to the whole memory again; what
    the server never gives back is in the least sample too.
    """
    seconds = np.array(times) - times[0]
    minutes = (seconds // MINUTE).astype(int)
    least = np.array([np.array(samples)[minutes == minute].min() for minute in np.unique(minutes)])
    late = least[len(least) // 3 :]
    if len(late) < 2:
        return 0.0
    slope, _ = np.polyfit(np.arange(len(late)), late, 1)
    return float(slope * (len(late) - 1) / late.mean())


def soak(
    target: Target,
    processes: ServerProcesses,
    ordinary: Sequence[bytes],
    hostile: Sequence[Hostile],
    *,
    rate: float,
    minutes: float,
) -> list[str]:
    """Send both loads, print a line for each minute -> the bounds that are broken."""
    end = time.monotonic() + MINUTE * minutes
    totals: Counter[int] = Counter()
    fresh = processes.memory_bytes()
    print(f"before: {fresh / 1e6:.0f} MB", flush=True)
    with MemoryWatch(processes) as memory, Attacker(target, hostile, NUM_ATTACKERS) as attacker:
        minute = 0
        while (left := end - time.monotonic()) > 1:
            latencies = Latencies()
            latencies.add(target, ordinary, rate, min(MINUTE, left), seed=minute)
            totals.update(latencies.statuses)
            minute += 1
            p50, p99 = latencies.quantile_ms(50), latencies.quantile_ms(99)
            resident = memory.samples[-1] / 1e6 if memory.samples else fresh / 1e6
            print(
                f"{minute:3d} min  p50 {p50:6.1f}  p99 {p99:7.1f} ms  client {latencies.send_delay_ms:.0f} ms late  "
                f"ordinary {words_of(latencies.statuses)}  "
                f"hostile {sum(attacker.statuses.values())}  {resident:.0f} MB",
                flush=True,
            )
    time.sleep(REST_SECONDS)
    for name in sorted({name for name, _ in attacker.statuses}):
        found = {status: count for (kind, status), count in attacker.statuses.items() if kind == name}
        print(f"{name:30s}  {words_of(found)}")
    growth = growth_of(memory.times, memory.samples)
    print(f"ordinary {words_of(totals)}")
    print(
        f"memory: {fresh / 1e6:.0f} MB before, {np.median(memory.samples) / 1e6:.0f} median, "
        f"{max(memory.samples) / 1e6:.0f} at most, {processes.memory_bytes() / 1e6:.0f} after; "
        f"{100 * growth:+.1f} % over the last two thirds"
    )
    broken = [f"{error} ({count} times)" for error, count in attacker.errors().items()]
    if totals.keys() - {200, 503, 504}:
        broken.append(f"ordinary requests have the statuses {dict(totals)}")
    if growth > MAX_GROWTH:
        broken.append(f"memory grew by {100 * growth:.1f} % over the last two thirds")
    return broken
