"""A model in OpenVINO that shares the images of a batch between threads."""

import itertools
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from functools import partial
from queue import LifoQueue
from typing import Any

import numpy as np
import openvino
from numpy.typing import NDArray

from service.cores import num_cores
from service.engines.openvino.offset_conv import keep_failures
from service.engines.protocol import Precision

PART_SIZES = (4, 1)
UNWRITTEN = -(2**30)  # stands in the outputs before an inference; no model computes it, and every type can hold it
# The requests that gave up an inference. OpenVINO keeps the lost error until the thread's next inference: if the
# request is freed before, that inference ends the process.
ABANDONED: "set[openvino.InferRequest]" = set()
# One core for the whole process. Each core loads the CPU plugin again, and the plugin gives the thread a stack for its
# signal handlers. If two cores are not freed in the reverse order of their creation, the second restores the stack that
# the first has freed, and the next signal ends the process.
CORE = openvino.Core()
# This call makes OpenVINO's table of types. Two threads whose first inferences made it at once would hang.
openvino.Type.u8.to_dtype()

Outputs = list[NDArray[Any]]  # by position, each (B, ...)


class OpenvinoModel:
    """Runs a model that takes images (B, H, W, 3), in `num_streams` calls at once, each with `num_threads` threads.

    Threads that share the images of a batch are faster than threads that share the work of each layer. So each thread
    runs an equal number of whole images, and only the remaining images run on all threads together, one after another.
    A thread runs its images in parts of 4 and 1. For each part size there is a separate compiled model, which is
    compiled when it is first needed: a model with a fixed shape is a quarter faster than one that takes any batch, and
    has no cost when the size changes. Other part sizes would gain almost nothing and take memory.

    Calls that run at once also have separate compiled models, instead of OpenVINO's streams. With one thread, the
    caller's thread then computes. A stream would pass the work to another thread, which may wake on a busy core.

    The first of the compiled models, for one image and `num_threads` threads, may be given as `compiled`. Raises
    RuntimeError if OpenVINO cannot compile the model.
    """

    def __init__(
        self,
        model: openvino.Model,
        precision: Precision,
        *,
        num_threads: int,
        num_streams: int,
        compiled: "Request | None" = None,
    ) -> None:
        self._model = model
        self._precision: Precision = precision
        self._num_streams = num_streams
        self._num_threads = num_threads
        self._lock = threading.Lock()  # whoever adds to _free has it
        self._free: dict[tuple[int, int], LifoQueue[Request]] = {}  # by part size and threads
        self._threads = ThreadPoolExecutor(num_streams * num_threads, "openvino")  # starts only as many as it needs
        self._requests(1, num_threads, compiled)

    def __call__(self, images: NDArray[np.uint8]) -> Outputs:
        """Run images uint8 (B, H, W, 3). If all streams are busy, the call waits for one."""
        share, rest = divmod(len(images), self._num_threads)
        parts: list[Outputs] = []
        if share and self._num_threads > 1:
            shares = [images[start : start + share] for start in range(0, len(images) - rest, share)]
            running = [self._threads.submit(self._run, part) for part in shares]
            wait(running)  # for all, also if one fails: the caller may write to its images again
            parts += itertools.chain.from_iterable(future.result() for future in running)
        elif share:
            parts += self._run(images)
        if rest:
            parts += self._run(images[-rest:], self._num_threads)
        return parts[0] if len(parts) == 1 else [np.concatenate(arrays) for arrays in zip(*parts, strict=True)]

    def prepare(self, size: int) -> None:
        """Compile what batches of `size` images need; other calls run meanwhile."""
        for start, end in parts_of(size // self._num_threads):
            self._requests(end - start, 1)

    def close(self) -> None:
        """Free the compiled models."""
        self._threads.shutdown(wait=False)
        del self._free, self._model

    def _run(self, images: NDArray[np.uint8], num_threads: int = 1) -> list[Outputs]:
        """The outputs of each part of these images."""
        parts = []
        for start, end in parts_of(len(images)):
            requests = self._requests(end - start, num_threads)
            request = requests.get()
            try:
                parts.append(request.infer(images[start:end]))
            finally:
                requests.put(request)
        return parts

    def _requests(self, size: int, num_threads: int, first: "Request | None" = None) -> "LifoQueue[Request]":
        """The free requests for parts of `size` images, as many as can run at once with `num_threads` threads each.

        While those of one size are compiled, the others are used: they are looked up without the lock.
        """
        key = size, num_threads
        if key in self._free:
            return self._free[key]
        with self._lock:
            if key not in self._free:
                count = self._num_streams * self._num_threads // num_threads
                requests = self._compile(count, num_threads, size, first)
                free: LifoQueue[Request] = LifoQueue()  # the model that ran last is still in the caches
                for request in requests:
                    free.put(request)
                self._free[key] = free  # not before all are compiled: a call would wait for a request in vain
            return self._free[key]

    def _compile(self, count: int, num_threads: int, size: int, first: "Request | None") -> "list[Request]":
        """Compile `count` models on all cores: one by one, each would delay the start by a quarter of a second.

        If the first is given, it is one of them.
        """
        compile_one = partial(Request, self._model, self._precision, num_threads, size)
        first = first or compile_one()  # alone, because OpenVINO initialises itself at its first use
        with ThreadPoolExecutor(num_cores()) as threads:
            return [first, *threads.map(lambda _: compile_one(), range(count - 1))]


class Request:
    """A compiled model with its only inference request; it runs one inference at a time."""

    def __init__(self, model: openvino.Model, precision: Precision, num_threads: int, size: int) -> None:
        self._failures: list[BaseException] = []
        compiled = compile_model(model, precision, num_threads, size=size, failures=self._failures)
        self._request = compiled.create_infer_request()
        self._num_outputs = len(compiled.outputs)

    def infer(self, images: NDArray[np.uint8]) -> Outputs:
        """The outputs for images (size, H, W, 3).

        Raises the error of an operator that is written in Python, and RuntimeError. With one thread, OpenVINO loses
        each error of an inference and returns the old outputs, so they are marked before it and checked after it.
        """
        self._failures.clear()
        for index in range(self._num_outputs):
            self._request.get_output_tensor(index).data.flat[-1] = UNWRITTEN
        results = list(self._request.infer([images], share_inputs=True, share_outputs=False).to_tuple())
        if self._failures:
            raise self._failures.pop()
        if any(output.flat[-1] == UNWRITTEN for output in results):
            ABANDONED.add(self._request)
            raise RuntimeError("OpenVINO gave up the inference and gave no reason; the machine may lack memory")
        return results


def parts_of(size: int) -> Iterator[tuple[int, int]]:
    """The parts that `size` images run in, each as the indices (first image, image after the last)."""
    start = 0
    while start < size:
        end = start + next(part for part in PART_SIZES if part <= size - start)
        yield start, end
        start = end


def compile_model(
    model: openvino.Model,
    precision: Precision,
    num_threads: int,
    *,
    size: int | None = None,
    failures: list[BaseException] | None = None,
) -> openvino.CompiledModel:
    """Compile for this CPU with `num_threads` threads, for batches of `size`, None for any; raises RuntimeError.

    The errors of the compiled model's own operators are added to `failures`.
    """
    if size is not None:
        model = model.clone()
        model.reshape([size, *model.input(0).partial_shape[1:]])
    if failures is not None:
        keep_failures(model, failures)
    properties = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32",
        "NUM_STREAMS": 1,
        "INFERENCE_NUM_THREADS": num_threads,
        # with pinning, several servers on one machine would all use its first cores and leave the others idle
        "ENABLE_CPU_PINNING": False,
    }
    return CORE.compile_model(model, "CPU", properties)
