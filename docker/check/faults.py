"""Faults for drills: docker/check/drills.sh mounts this file into the servers as sitecustomize.py, on PYTHONPATH.

- An image that ends with MARK ends the process, like a library that crashes on it.
- SIGUSR1 stops the event loop for an hour, SIGUSR2 the next batch of an engine.
"""

import os
import signal
import sys
import threading
import time
from typing import Any

MARK = b"poison"
STUCK_SECONDS = 3600.0
CRASHED = 139  # what a shell gives for SIGSEGV


def install() -> None:
    """Wrap the functions through which every image and every batch passes."""
    from service.detection import decode
    from service.scheduling import batch_run

    decode_image, run_batch = decode.decode_image, batch_run.run_batch
    engine_is_stuck = threading.Event()

    def decode_unless_marked(body: bytes, **options: Any) -> Any:
        if bytes(body[-len(MARK) :]) == MARK:
            os._exit(CRASHED)
        return decode_image(body, **options)

    def run_unless_stuck(*arguments: Any) -> Any:
        if engine_is_stuck.is_set():
            time.sleep(STUCK_SECONDS)
        return run_batch(*arguments)

    vars(decode)["decode_image"] = decode_unless_marked
    vars(batch_run)["run_batch"] = run_unless_stuck
    signal.signal(signal.SIGUSR1, lambda *_: time.sleep(STUCK_SECONDS))
    signal.signal(signal.SIGUSR2, lambda *_: engine_is_stuck.set())


if sys.orig_argv[1:3] == ["-m", "service"]:
    install()
