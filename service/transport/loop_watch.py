"""Watches the event loop: how late it is, and whether it turns at all."""

import asyncio
import faulthandler
import time

from prometheus_client import Histogram

INTERVAL_SECONDS = 1.0
STANDARD_ERROR = 2


async def watch_loop(lag: Histogram, stuck_seconds: float) -> None:
    """Observe the loop's lag once a second, and end the process if it is late by `stuck_seconds`.

    Nothing that runs in the loop could do that. Faulthandler's watchdog is a thread outside the interpreter: it writes
    the stacks of all threads to standard error and ends the process with status 1, so that it is started again.
    """
    try:
        while True:
            faulthandler.dump_traceback_later(INTERVAL_SECONDS + stuck_seconds, exit=True, file=STANDARD_ERROR)
            due = time.monotonic() + INTERVAL_SECONDS
            await asyncio.sleep(INTERVAL_SECONDS)
            lag.observe(max(0.0, time.monotonic() - due))
    finally:
        faulthandler.cancel_dump_traceback_later()
