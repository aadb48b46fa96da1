"""Checks whether Retry-After is right: clients that are refused ask again exactly when it says."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from service.benchmark.http_load import Connection, Target

MAX_TRIES = 20


@dataclass(frozen=True)
class Retry:
    """A client whose first request was refused."""

    told_seconds: float  # the wait that the first refusal asked for
    is_first_accepted: bool  # whether the next request was accepted
    accepted_seconds: float | None  # from the first request to the accepted one; None if there is none


class HeadConnection(Connection):
    """A connection that keeps the head of the last answer."""

    last_head = b""

    def data_received(self, data: bytes) -> None:
        """Called by the event loop."""
        if data.startswith(b"HTTP/1.1 "):
            self.last_head = data.partition(b"\r\n\r\n")[0].lower()
        super().data_received(data)


def told_seconds(head: bytes) -> float | None:
    """The wait that an answer's head asks for: Retry-After-Ms, or else Retry-After; None if it has neither."""
    for name, unit in ((b"\r\nretry-after-ms:", 1e-3), (b"\r\nretry-after:", 1.0)):
        text = head.partition(name)[2].partition(b"\r\n")[0].strip()
        if text:
            return int(text) * unit
    return None


async def retry_as_told(target: Target, request: bytes) -> Retry | None:
    """Ask until accepted, each time after the wait of the last refusal; None if the first answer is not 503."""
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
    """Start `number` clients at once; returns those that were refused at first."""
    clients = [retry_as_told(target, requests[i % len(requests)]) for i in range(number)]
    return [retry for retry in await asyncio.gather(*clients) if retry is not None]


async def retries_under_load(
    target: Target, requests: Sequence[bytes], *, seconds: float, interval: float
) -> list[Retry]:
    """Start a client every `interval` seconds, while another task overloads the server; returns the refused ones."""
    clients = []
    for number in range(round(seconds / interval)):
        clients.append(asyncio.create_task(retry_as_told(target, requests[number % len(requests)])))
        await asyncio.sleep(interval)
    return [retry for retry in await asyncio.gather(*clients) if retry is not None]
