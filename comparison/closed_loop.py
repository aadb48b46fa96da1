"""A closed loop: so many connections, each sends its next request when the last is answered. It finds the capacity."""

import asyncio
import time
from collections.abc import Sequence

from service.benchmark.http_load import Connection, Target


async def answers_a_second(target: Target, requests: Sequence[bytes], *, num_connections: int, seconds: float) -> float:
    """Answers with status 200 a second; raises OSError where nobody listens."""
    loop = asyncio.get_running_loop()
    end = time.perf_counter() + seconds
    num_good = 0

    async def ask(number: int) -> None:
        nonlocal num_good
        connection: Connection | None = None
        while time.perf_counter() < end:
            if connection is None or not connection.is_usable:
                _, connection = await loop.create_connection(Connection, target.host, target.port)
            status = await connection.ask(requests[number % len(requests)])
            num_good += status == 200 and time.perf_counter() <= end
            number += num_connections
        if connection is not None:
            connection.close()

    tasks = [asyncio.create_task(ask(number)) for number in range(num_connections)]
    done, late = await asyncio.wait(tasks, timeout=seconds + 10)
    for task in late:
        task.cancel()
    await asyncio.gather(*late, return_exceptions=True)
    for task in done:
        task.result()
    return num_good / seconds
