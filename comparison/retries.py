"""Whether Retry-After tells the truth: clients that are refused come again exactly when they were told to."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from service.benchmark.http_load import Connection, Target

MAX_TRIES = 20


@dataclass(frozen=True)
class Retry:
    """A client that was refused at first. Seconds from its first try."""

    told_seconds: float  # what the first refusal said
    is_first_accepted: bool  # whether it was right
    accepted_seconds: float | None  # when it was taken on at last, coming again whenever told to; None where it gave up


class HeadConnection(Connection):
    """A connection that keeps the head of the last answer."""

    last_head = b""

    def data_received(self, data: bytes) -> None:
        """Called by the event loop."""
        if data.startswith(b"HTTP/1.1 "):
            self.last_head = data.partition(b"\r\n\r\n")[0].lower()
        super().data_received(data)


def told_seconds(head: bytes) -> float | None:
    """The wait that an answer's head asks for, to the millisecond where it says so; None where it does not."""
    for name, unit in ((b"\r\nretry-after-ms:", 1e-3), (b"\r\nretry-after:", 1.0)):
        text = head.partition(name)[2].partition(b"\r\n")[0].strip()
        if text:
            return int(text) * unit
    return None


async def retry_as_told(target: Target, request: bytes) -> Retry | None:
    """Ask, and ask again as told until accepted -> the Retry; None where the first try was not refused with 503."""
    _, connection = await asyncio.get_running_loop().create_connection(HeadConnection, target.host, target.port)
    first: float | None = None
    start, statuses = time.perf_counter(), []
    try:
        for _ in range(MAX_TRIES):
            asked = time.perf_counter() - start
            statuses.append(await connection.ask(request))
            if statuses[-1] != 503:
                break
            told = told_seconds(connection.last_head)
            if told is None:
                return Retry(float("nan"), False, None) if first is None else Retry(first, False, None)
            first = told if first is None else first
            await asyncio.sleep(told)
    finally:
        connection.close()
    if first is None:
        return None
    return Retry(first, statuses[1:2] == [200], asked if statuses[-1] == 200 else None)


async def burst_of_retries(target: Target, requests: Sequence[bytes], number: int) -> list[Retry]:
    """`number` clients at once; what became of those that were refused at first."""
    clients = [retry_as_told(target, requests[i % len(requests)]) for i in range(number)]
    return [retry for retry in await asyncio.gather(*clients) if retry is not None]


async def retries_under_load(
    target: Target, requests: Sequence[bytes], *, seconds: float, interval: float
) -> list[Retry]:
    """A client every `interval` seconds, while somebody else sends too much."""
    clients = []
    for number in range(round(seconds / interval)):
        clients.append(asyncio.create_task(retry_as_told(target, requests[number % len(requests)])))
        await asyncio.sleep(interval)
    return [retry for retry in await asyncio.gather(*clients) if retry is not None]
