"""The loads that servers get: a closed loop, which finds the capacity, and an open loop, which keeps to given times."""

import asyncio
import time
from collections.abc import Sequence

import numpy as np
import uvloop
from numpy.typing import NDArray

from comparison.peers import PeerError
from service.benchmark.http_load import Connection, Samples, Target, send_load

NUM_CONNECTIONS = 16
CAPACITY_SECONDS = 5.0
OBJECTIVE_SECONDS = 0.25
DEADLINE = {"X-Request-Timeout-Ms": f"{1000 * OBJECTIVE_SECONDS:.0f}"}
# of the closed loop: it asks again at once, so a refusal would only take the cores from the answers
PATIENT = {"X-Request-Timeout-Ms": "60000"}


def capacity_of(target: Target, requests: Sequence[bytes]) -> float:
    """The most answers with status 200 a second; raises PeerError if there are none."""
    capacity = closed_loop(target, requests, CAPACITY_SECONDS)
    if not capacity:
        raise PeerError("it answered nothing with status 200 in the closed loop")
    return capacity


def closed_loop(
    target: Target,
    requests: Sequence[bytes],
    seconds: float,
    num_connections: int = NUM_CONNECTIONS,
    *,
    lead_seconds: float = 0.0,
) -> float:
    """Run `answers_a_second` on an event loop of its own."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(
            answers_a_second(
                target, requests, num_connections=num_connections, seconds=seconds, lead_seconds=lead_seconds
            )
        )


def open_loop(target: Target, requests: Sequence[bytes], times: NDArray[np.float64]) -> Samples:
    """Send the requests in turn, one at each of the `times`, on an event loop of its own."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(send_load(target, requests, times))


async def answers_a_second(
    target: Target, requests: Sequence[bytes], *, num_connections: int, seconds: float, lead_seconds: float = 0.0
) -> float:
    """Answers with status 200 a second if each connection sends its next request when the last one is answered.

    Only answers of the last `seconds` count. Without the `lead_seconds` before, no answer is there at first, for as
    long as a batch takes: the larger the batches, the more a server would seem to lose. Raises OSError if no server
    listens.
    """
    loop = asyncio.get_running_loop()
    start = time.perf_counter() + lead_seconds
    end = start + seconds
    num_good = 0

    async def ask(number: int) -> None:
        nonlocal num_good
        connection: Connection | None = None
        while time.perf_counter() < end:
            if connection is None or not connection.is_usable:
                _, connection = await loop.create_connection(Connection, target.host, target.port)
            status = await connection.ask(requests[number % len(requests)])
            num_good += status == 200 and start <= time.perf_counter() <= end
            number += num_connections
        if connection is not None:
            connection.close()

    tasks = [asyncio.create_task(ask(number)) for number in range(num_connections)]
    done, late = await asyncio.wait(tasks, timeout=lead_seconds + seconds + 10)
    for task in late:
        task.cancel()
    await asyncio.gather(*late, return_exceptions=True)
    for task in done:
        task.result()
    return num_good / seconds
