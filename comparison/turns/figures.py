"""The figures of one turn: one server under one load in one round."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from service.benchmark.http_load import LOST, Samples


@dataclass(frozen=True)
class Figures:
    """Latencies are of answers with status 200, in ms from the intended send time. None: without any answer.

    A closed loop has no intended send times, so it gives the throughput only.
    """

    throughput: float  # answers with status 200 a second, until the last of them
    p50_ms: float | None = None
    p99_ms: float | None = None
    in_time_share: float | None = None  # answers within the objective, of the offered requests
    cpu_ms_a_request: float | None = None  # of all the server's processes, for each answer with status 200
    send_delay_p99_ms: float | None = None  # how late the client sent its requests
    statuses: Mapping[str, int] | None = None  # answers by status; `lost` counts requests without an answer


def figures_of(samples: Samples, *, seconds: float, objective_seconds: float, cpu_seconds: float) -> Figures:
    """The figures of an open loop of `seconds`, in which the server used `cpu_seconds`."""
    is_good = samples.status == 200
    latency = samples.latency[is_good]
    num_offered, num_good = len(samples.status), len(latency)
    p50, p99 = (1000 * np.percentile(latency, [50, 99])).tolist() if num_good else (None, None)
    delays = (samples.sent - samples.intended)[~np.isnan(samples.sent)]
    statuses = sorted(Counter(samples.status.tolist()).items())
    return Figures(
        throughput=num_good / max(seconds, float(samples.done[is_good].max())) if num_good else 0.0,
        p50_ms=p50,
        p99_ms=p99,
        in_time_share=int((latency <= objective_seconds).sum()) / num_offered if num_offered else None,
        cpu_ms_a_request=1000 * cpu_seconds / num_good if num_good else None,
        send_delay_p99_ms=1000 * float(np.percentile(delays, 99)) if len(delays) else None,
        statuses={"lost" if status == LOST else str(status): number for status, number in statuses},
    )
