"""`python -m comparison.overload --images DIR`: this server when too much is asked of it, and around an engine that sleeps."""

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

from comparison.peers import PEERS, PeerError
from comparison.processes import started
from comparison.retries import Retry, burst_of_retries, retries_under_load
from comparison.run import OBJECTIVE_SECONDS, Plan, closed_loop, free_port, running
from comparison.sleeping_server import BATCH_SECONDS, BEST_RATE, IMAGE_SECONDS
from service.benchmark.__main__ import fetch_metrics, find_knee, read_images
from service.benchmark.arrivals import arrival_times
from service.benchmark.http_load import Samples, Target, send_load
from service.benchmark.report import Run, line_of, run_of

OVERLOAD = 1.5  # times the capacity
CAPACITY_SECONDS = 5.0
RETRY_INTERVAL = 0.1
SMALL_SIZE = (160, 120)  # of the small JPEGs, width and height
FIRST_RATE = 200.0  # requests a second, where the search for the sleeping engine's knee begins
HEADERS = {"X-Request-Timeout-Ms": f"{1000 * OBJECTIVE_SECONDS:.0f}", "Content-Type": "image/jpeg"}
EXAMPLE = """\
example:
  python -m comparison.overload --images BCCD/JPEGImages --seconds 20
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure -> exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m comparison.overload",
        description="150 % of the capacity with an objective of 250 ms, and an engine that only sleeps.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--images", type=Path, required=True, metavar="DIR", help="JPEG files to send, in turn")
    parser.add_argument(
        "--seconds", type=float, default=20.0, help="length of the overload, and of each rate (default: 20)"
    )
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="write the figures there")
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
    """The server at one and a half times its capacity."""
    ours = PEERS[0]
    with running(Plan(images, Path(), seconds), ours) as (processes, target):
        requests = [target.post(image, HEADERS) for image in images]
        capacity = closed_loop(target, [target.post(image, {}) for image in images], CAPACITY_SECONDS)
        if not capacity:
            raise PeerError("it answered nothing with status 200 in the closed loop")
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
            retries = runner.run(load_with_retries())  # apart, for what is retried is more than is offered above
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
    """By status, how long after its deadline the latest answer came, in ms from when it was sent; negative where none did."""
    seconds = samples.done - samples.sent
    statuses = sorted(status for status in Counter(samples.status.tolist()) if status)
    return {
        str(status): 1000 * (float(seconds[samples.status == status].max()) - OBJECTIVE_SECONDS) for status in statuses
    }


def figures_of(retries: Sequence[Retry]) -> dict[str, float | int | None]:
    """What became of the refused. `waited_by_told` is 1 where each was taken on exactly when it was told."""
    accepted = [retry for retry in retries if retry.accepted_seconds is not None]
    ratios = [(retry.accepted_seconds or 0.0) / max(retry.told_seconds, 1e-3) for retry in accepted]
    return {
        "refused_at_first": len(retries),
        "accepted_when_told_share": sum(retry.is_first_accepted for retry in retries) / len(retries)
        if retries
        else None,
        "accepted_at_last_share": len(accepted) / len(retries) if retries else None,
        "told_ms_median": 1000 * float(np.median([retry.told_seconds for retry in retries])) if retries else None,
        "waited_by_told_median": float(np.median(ratios)) if ratios else None,
    }


def sleeping(images: Sequence[bytes], seconds: float) -> dict[str, Any]:
    """The highest rate at which 99 % of the answers meet the objective, and how busy the engine is then."""
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
    """One rate: its Run, and shares of the time."""
    url = f"http://{target.host}:{target.port}/metrics"
    times = arrival_times("poisson", rate, seconds, burst=1, seed=round(rate * 1000))
    before, start = fetch_metrics(url), time.perf_counter()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        samples = runner.run(send_load(target, requests, times))
    after, wall_seconds = fetch_metrics(url), time.perf_counter() - start
    run = run_of(samples, rate, seconds, OBJECTIVE_SECONDS, before, after)
    grown = {name: value - before.get(name, 0.0) for name, value in after.items()}

    def total(prefix: str) -> float:
        return sum(value for name, value in grown.items() if name.startswith(prefix))

    num_batches, num_images = total("singleshot_batch_size_count"), total("singleshot_batch_size_sum")
    return {
        "run": run,
        "p99_ms": run.p99_ms,
        "goodput_share": run.goodput_share,
        "busy_share": total("singleshot_worker_busy_seconds_total") / wall_seconds,
        "sleep_share": (BATCH_SECONDS * num_batches + IMAGE_SECONDS * num_images)
        / wall_seconds,  # without waking up late
        "share_of_best_possible_rate": run.goodput / BEST_RATE,
        "mean_batch": run.mean_batch,
        "server_cpu_ms_a_request": run.cpu_ms_a_request,
    }


def small(image: bytes) -> bytes:
    """The picture as a small JPEG."""
    pixels = cv2.imdecode(np.frombuffer(image, np.uint8), cv2.IMREAD_COLOR)
    is_encoded, encoded = cv2.imencode(".jpg", cv2.resize(pixels, SMALL_SIZE, interpolation=cv2.INTER_AREA))
    assert is_encoded
    return bytes(encoded)


if __name__ == "__main__":
    sys.exit(main())
