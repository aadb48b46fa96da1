"""The TensorRT engine over a stand-in: its streams, pinned memory, CUDA graphs, threads, and its plugin's class."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from comparison.gpu.images import compare_with_cpu, golden_images, worst
from comparison.gpu.kernel.launch import require_cuda
from comparison.gpu.stand_in.bundle import memory_in_use, stand_in_bundle
from comparison.gpu.step import Findings, Options, check, require_module
from comparison.gpu.timing import host_milliseconds
from export.to_engine import Precision
from service.bundle import Bundle, read_bundle
from service.detection.golden import check_golden
from service.engines.open import open_engine
from service.engines.protocol import Engine

NUM_STREAMS = 2
NUM_THREADS = 4
NUM_OPENINGS = 3
NUM_TIMED_CALLS = 50
MAX_LOST_BYTES = 16 * 2**20


@dataclass(frozen=True)
class Sizes:
    """How much is run: the precisions, the largest batch of the engine, batches to compare and to time, calls."""

    precisions: tuple[Precision, ...]
    max_batch: int
    compared: tuple[int, ...]
    timed: tuple[int, ...]
    num_calls: int  # of each thread


ON_GPU = Sizes(("fp32", "fp16"), 16, (1, 3, 5, 8, 16, 21), (1, 4, 8, 16), 300)
ON_CPU = Sizes(("fp32",), 2, (1, 2, 3), (), 2)


def run(options: Options, findings: Findings) -> None:
    """Check and measure each precision."""
    require_module("cuda", "cuda-bindings")
    if not options.is_cpu:
        require_cuda()
    sizes = ON_CPU if options.is_cpu else ON_GPU
    images = golden_images(read_bundle(options.bundle), max(sizes.compared))
    for precision in sizes.precisions:
        folder = options.work / f"stand-in-{precision}"
        bundle = stand_in_bundle(options.bundle, folder, precision, sizes.max_batch, is_on_gpu=not options.is_cpu)
        with closing(open_engine(bundle, "tensorrt", num_streams=NUM_STREAMS)) as engine:
            check_golden(bundle, engine)
            differences = compare_with_cpu(bundle, precision, engine, sizes.compared)
            batches = ", ".join(map(str, sizes.compared))
            findings.figure(f"{precision}: golden image found, {worst(differences)} at batches of {batches}")
            check_threads(engine, images, sizes.num_calls)
            findings.figure(f"{NUM_THREADS * sizes.num_calls} calls from {NUM_THREADS} threads: the same bits")
            for count in sizes.timed:
                findings.row("One caller, and two at once", measure(engine, images[:count], precision))
        check_memory(bundle, images[:1], is_on_gpu=not options.is_cpu)
        findings.figure("opened and closed without a loss of memory")


def check_threads(engine: Engine, images: NDArray[np.uint8], num_calls: int) -> None:
    """Raise CheckError unless calls from several threads give the same bits as calls from one."""
    batches = [np.roll(images, number, axis=0)[:3] for number in range(NUM_THREADS)]
    wanted = [engine(batch) for batch in batches]

    def work(seed: int) -> int:
        num_different = 0
        for number in np.random.default_rng(seed).integers(len(batches), size=num_calls):
            found = engine(batches[number])
            is_same = np.array_equal(found.boxes, wanted[number].boxes)
            num_different += not (is_same and np.array_equal(found.scores, wanted[number].scores))
        return num_different

    with ThreadPoolExecutor(NUM_THREADS) as pool:
        num_different = sum(pool.map(work, range(NUM_THREADS)))
    check(num_different == 0, f"{num_different} calls from threads gave other bits")


def measure(engine: Engine, images: NDArray[np.uint8], precision: Precision) -> dict[str, object]:
    """A row: ms a call, images a second, and images a second of two callers at once."""
    one = host_milliseconds(lambda: engine(images), NUM_TIMED_CALLS)
    started = time.perf_counter()
    with ThreadPoolExecutor(NUM_STREAMS) as pool:
        list(pool.map(lambda _: engine(images), range(NUM_STREAMS * NUM_TIMED_CALLS)))
    seconds = time.perf_counter() - started
    return {
        "precision": precision,
        "batch": len(images),
        "ms a call": one,
        "images/s": f"{1e3 * len(images) / one:.0f}",
        "images/s, two callers": f"{NUM_STREAMS * NUM_TIMED_CALLS * len(images) / seconds:.0f}",
    }


def check_memory(bundle: Bundle, images: NDArray[np.uint8], *, is_on_gpu: bool) -> None:
    """Raise CheckError unless the engine gives back all that it allocates."""
    in_use = memory_in_use(is_on_gpu=is_on_gpu)
    left = []
    for _ in range(NUM_OPENINGS if is_on_gpu else 2):
        with closing(open_engine(bundle, "tensorrt", num_streams=NUM_STREAMS)) as engine:
            engine(images)
        del engine
        left.append(in_use())
    lost = left[-1] - left[0]
    check(lost <= (MAX_LOST_BYTES if is_on_gpu else 0), f"closing the engine leaves memory behind, in use: {left}")
