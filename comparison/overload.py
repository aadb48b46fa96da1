"""`python -m comparison.overload --images DIR`: this server under overload, and with an engine that only sleeps."""

import argparse
import asyncio
import json
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import uvloop

from comparison.loads import DEADLINE, OBJECTIVE_SECONDS, PATIENT, capacity_of, closed_loop, open_loop
from comparison.peers import PEERS, PeerError
from comparison.processes import started
from comparison.retries import Retry, burst_of_retries, retries_under_load
from comparison.running import free_port, running
from comparison.sleeping_server import BATCH_SECONDS, BEST_RATE, IMAGE_SECONDS
from service.benchmark.__main__ import fetch_metrics, find_knee, read_images
from service.benchmark.arrivals import arrival_times
from service.benchmark.http_load import Samples, Target, send_load
from service.benchmark.report import Run, line_of, run_of

OVERLOAD = 1.5  # times the capacity

RETRY_INTERVAL = 0.1
SMALL_SIZE = (160, 120)  # of the small JPEGs, width and height
FIRST_RATE = 200.0  # requests a second: the search for the sleeping engine's knee starts here
HEADERS = {**DEADLINE, "Content-Type": "image/jpeg"}
EXAMPLE = """\
example:
  python -m comparison.overload --images BCCD/JPEGImages --seconds 20
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print the figures; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m comparison.overload",
        description="150 % of this server's capacity with an objective of 250 ms; then an engine that only sleeps.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--images", type=Path, required=True, metavar="DIR", help="JPEG files to send, in turn")
    parser.add_argument(
        "--seconds", type=float, default=20.0, help="length of the overload, and of each rate (default: 20)"
    )
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="write the figures to this file")
    options = parser.parse_args(arguments)
    try:
        images = read_images(options.images)
        figures = {"overload": overload(images, options.seconds), "sleeping engine": sleeping(images, options.seconds)}
    except (ValueError, OSError, PeerError) as error:
        print(f"comparison: {error}", file=sys.stderr)
        return 1
    text = json.dumps(figures, indent=2)
    print(text)
    if options.out:
        options.out.write_text(text + "\n")
    return 0


def overload(images: Sequence[bytes], seconds: float) -> dict[str, Any]:
    """Measure the server at OVERLOAD times its capacity."""
    ours = PEERS[0]
    with running(ours, images, venvs=Path()) as (processes, target):  # it needs no environment of its own
        requests = [target.post(image, HEADERS) for image in images]
        capacity = capacity_of(target, [target.post(image, PATIENT) for image in images])
        memory = processes.memory_bytes()
        times = arrival_times("poisson", OVERLOAD * capacity, seconds, burst=1, seed=1)

        async def load_with_retries() -> list[Retry]:
            probes = retries_under_load(target, requests, seconds=0.8 * seconds, interval=RETRY_INTERVAL)
            _, retries = await asyncio.gather(send_load(target, requests, times), probes)
            return retries

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            samples = runner.run(send_load(target, requests, times))
            memory_after = processes.memory_bytes()
            time.sleep(1.0)
            retries = runner.run(load_with_retries())  # a run of its own, because retries add to the offered load
            time.sleep(1.0)
            burst = runner.run(burst_of_retries(target, requests, max(20, round(2 * capacity * OBJECTIVE_SECONDS))))
    run = run_of(samples, OVERLOAD * capacity, seconds, OBJECTIVE_SECONDS, {}, {})
    print(line_of(run), flush=True)
    return {
        "capacity": capacity,
        "rate": run.rate,
        "goodput_share_of_offered": run.goodput_share,
        "goodput_share_of_capacity": run.goodput / capacity,
        "p50_ms": run.p50_ms,
        "p99_ms": run.p99_ms,
        "statuses": run.statuses,
        "latest_ms_after_deadline_by_status": lateness_by_status(samples),
        "client_send_delay_p99_ms": run.send_delay_p99_ms,
        "memory_mb_before_and_after": [memory / 1e6, memory_after / 1e6],
        "retries_under_overload": figures_of(retries),
        "retries_after_a_burst": figures_of(burst),
    }


def lateness_by_status(samples: Samples) -> dict[str, float]:
    """For each status, by how many ms the latest answer missed its deadline; negative if all answers met it.

    A deadline counts from the time at which the request was sent.
    """
    seconds = samples.done - samples.sent
    statuses = sorted(status for status in Counter(samples.status.tolist()) if status)
    return {
        str(status): 1000 * (float(seconds[samples.status == status].max()) - OBJECTIVE_SECONDS) for status in statuses
    }


def figures_of(retries: Sequence[Retry]) -> dict[str, float | int | None]:
    """How many refused clients were accepted later, and when; None without any.

    `waited_by_told` is the wait until a client was accepted, divided by the wait that the first refusal asked for.
    """
    count = len(retries)
    accepted = [retry for retry in retries if retry.accepted_seconds is not None]
    ratios = [(retry.accepted_seconds or 0.0) / max(retry.told_seconds, 1e-3) for retry in accepted]
    return {
        "refused_at_first": count,
        "accepted_when_told_share": sum(retry.is_first_accepted for retry in retries) / count if count else None,
        "accepted_at_last_share": len(accepted) / count if count else None,
        "told_ms_median": 1000 * float(np.median([retry.told_seconds for retry in retries])) if count else None,
        "waited_by_told_median": float(np.median(ratios)) if ratios else None,
    }


def sleeping(images: Sequence[bytes], seconds: float) -> dict[str, Any]:
    """Find the highest rate at which 99 % of the answers meet the objective, and how busy the engine is then."""
    port = free_port()
    target = Target("127.0.0.1", port, "/detect")
    requests = [target.post(small(image), HEADERS) for image in images]
    probe = urllib.request.Request(f"http://127.0.0.1:{port}/readyz")
    rates: dict[float, dict[str, Any]] = {}
    with started([sys.executable, "-m", "comparison.sleeping_server", str(port)], {}, probe):
        closed_loop(target, requests, 2.0)

        def measured(rate: float) -> Run:
            rates[rate] = measure_busy(target, requests, rate, seconds)
            run: Run = rates[rate].pop("run")
            print(f"{line_of(run)}  engine busy {100 * rates[rate]['busy_share']:.1f} %", flush=True)
            return run

        knee = find_knee(measured, FIRST_RATE)
    return {"best_possible_rate": BEST_RATE, "knee_rate": knee, "at_the_knee": rates.get(knee) if knee else None}


def measure_busy(target: Target, requests: Sequence[bytes], rate: float, seconds: float) -> dict[str, Any]:
    """Measure one rate: its Run, and the shares of the time in which the engine was busy and in which it slept."""
    url = f"http://{target.host}:{target.port}/metrics"
    times = arrival_times("poisson", rate, seconds, burst=1, seed=round(rate * 1000))
    before, start = fetch_metrics(url), time.perf_counter()
    samples = open_loop(target, requests, times)
    after, wall_seconds = fetch_metrics(url), time.perf_counter() - start
    run = run_of(samples, rate, seconds, OBJECTIVE_SECONDS, before, after)
    grown = {name: value - before.get(name, 0.0) for name, value in after.items()}

    def total(prefix: str) -> float:
        return sum(value for name, value in grown.items() if name.startswith(prefix))

    num_batches, num_images = total("singleshot_batch_size_count"), total("singleshot_batch_size_sum")
    sleep_seconds = BATCH_SECONDS * num_batches + IMAGE_SECONDS * num_images  # without the delay of each wake-up
    return {
        "run": run,
        "p99_ms": run.p99_ms,
        "goodput_share": run.goodput_share,
        "busy_share": total("singleshot_worker_busy_seconds_total") / wall_seconds,
        "sleep_share": sleep_seconds / wall_seconds,
        "share_of_best_possible_rate": run.goodput / BEST_RATE,
        "mean_batch": run.mean_batch,
        "server_cpu_ms_a_request": run.cpu_ms_a_request,
    }


def small(image: bytes) -> bytes:
    """The image as a small JPEG."""
    pixels = cv2.imdecode(np.frombuffer(image, np.uint8), cv2.IMREAD_COLOR)
    is_encoded, encoded = cv2.imencode(".jpg", cv2.resize(pixels, SMALL_SIZE, interpolation=cv2.INTER_AREA))
    assert is_encoded
    return bytes(encoded)


if __name__ == "__main__":
    sys.exit(main())
