"""A model in OpenVINO, whose batches are dealt out to threads."""

import itertools
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from queue import LifoQueue
from typing import Any

import numpy as np
import openvino
from numpy.typing import NDArray

from service.cores import num_cores
from service.engines.engine import Precision

PART_SIZES = (4, 1)
# one for ever: each loads the CPU plugin anew, which gives the thread a stack for its signal handlers; of two that do not end
# in the reverse order of their beginning, the second leaves it the stack that the first has freed, and a signal is fatal
CORE = openvino.Core()
openvino.Type.u8.to_dtype()  # makes OpenVINO's table of types: two threads whose first inferences made it at once would hang

Outputs = list[NDArray[Any]]  # by position, each (B, ...)


class OpenvinoModel:
    """Runs a model that takes images (B, H, W, 3); each of `num_streams` calls at once has `num_threads` threads.

    Threads that share out a batch's images are faster than threads that share each layer's work, so all that can be dealt out
    evenly runs on one thread an image, and only the rest on all threads at once. A thread's images run in parts of 4 and
    1, each size a model of its own that is compiled when it is first needed. With its shape fixed a model is a quarter faster
    than one that takes any batch, and does not pay anew for each change of size; parts of other sizes gain next to nothing and
    only take memory.

    What runs at once runs in models of its own, too, instead of in streams of OpenVINO's: so with one thread it is the caller's
    thread that computes, where OpenVINO would hand over to another, which may wake on a core that is busy.

    Raises RuntimeError where OpenVINO cannot compile it.
    """

    def __init__(self, model: openvino.Model, precision: Precision, *, num_threads: int, num_streams: int) -> None:
        self._model = model
        self._precision: Precision = precision
        self._num_streams = num_streams
        self._num_threads = num_threads
        self._lock = threading.Lock()  # guards the next
        self._free: dict[tuple[int, int], LifoQueue[openvino.InferRequest]] = {}  # by size of the part, and threads
        self._threads = ThreadPoolExecutor(num_streams * num_threads, "openvino")  # starts none that it does not need
        self._requests(1, num_threads)

    def __call__(self, images: NDArray[np.uint8]) -> Outputs:
        """Run images uint8 (B, H, W, 3); as many calls at once as there are streams, the next waits."""
        share, rest = divmod(len(images), self._num_threads)
        parts: list[Outputs] = []
        if share and self._num_threads > 1:
            shares = [images[start : start + share] for start in range(0, len(images) - rest, share)]
            parts += itertools.chain.from_iterable(self._threads.map(self._run, shares))
        elif share:
            parts += self._run(images)
        if rest:
            parts += self._run(images[-rest:], self._num_threads)
        return parts[0] if len(parts) == 1 else [np.concatenate(arrays) for arrays in zip(*parts, strict=True)]

    def close(self) -> None:
        """Free the compiled models."""
        self._threads.shutdown(wait=False)
        del self._free, self._model

    def _run(self, images: NDArray[np.uint8], num_threads: int = 1) -> list[Outputs]:
        """The outputs of these images, part by part."""
        parts = []
        for start, end in parts_of(len(images)):
            requests = self._requests(end - start, num_threads)
            request = requests.get()
            try:
                results = request.infer([images[start:end]], share_inputs=True, share_outputs=False)
            finally:
                requests.put(request)
            parts.append(list(results.to_tuple()))
        return parts

    def _requests(self, size: int, num_threads: int) -> "LifoQueue[openvino.InferRequest]":
        """Of the model for parts of `size` images, as many as can run at once with `num_threads` threads each."""
        with self._lock:
            key = size, num_threads
            if key not in self._free:
                self._free[key] = LifoQueue()  # the model that ran last is still in the caches
                for compiled in self._compile(self._num_streams * self._num_threads // num_threads, num_threads, size):
                    self._free[key].put(compiled.create_infer_request())
            return self._free[key]

    def _compile(self, count: int, num_threads: int, size: int) -> list[openvino.CompiledModel]:
        """So many models, on all cores: one after the other they would delay the start by a quarter of a second each."""
        compile_one = partial(compile_model, self._model, self._precision, num_threads, size=size)
        first = compile_one()  # alone, for what OpenVINO makes at its first use
        with ThreadPoolExecutor(num_cores()) as threads:
            return [first, *threads.map(lambda _: compile_one(), range(count - 1))]


def parts_of(size: int) -> Iterator[tuple[int, int]]:
    """The parts that so many images run in: the first image of each, and the one after its last."""
    start = 0
    while start < size:
        end = start + next(part for part in PART_SIZES if part <= size - start)
        yield start, end
        start = end


def compile_model(
    model: openvino.Model, precision: Precision, num_threads: int, *, size: int | None = None
) -> openvino.CompiledModel:
    """A model for this CPU and so many threads, for batches of `size` or as it is; raises RuntimeError."""
    if size is not None:
        model = model.clone()
        model.reshape([size, *model.input(0).partial_shape[1:]])
    properties = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32",
        "NUM_STREAMS": 1,
        "INFERENCE_NUM_THREADS": num_threads,
        # pinned, the streams of several servers on one machine would share its first cores and leave the others idle
        "ENABLE_CPU_PINNING": False,
    }
    return CORE.compile_model(model, "CPU", properties)
