"""The metrics of one version of a model."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray
from prometheus_client import Counter, Histogram

if TYPE_CHECKING:
    from service.telemetry.metrics import Metrics

FORGET_SECONDS = 60.0  # after the last answer of an unloaded version: until then its last counts can be scraped
HTTP, GRPC = "http", "grpc"  # the protocols of requests
OUTCOMES = ("in_time", "slow", "refused", "expired", "failed", "gave_up", "client_error")  # of detect requests
Key = TypeVar("Key")
Child = TypeVar("Child")


@dataclass(frozen=True)
class Total:
    """How often something happened, and for how long in all."""

    count: int
    seconds: float


class Children(dict[Key, Child]):
    """The series of a metric by a part of their labels; `make` gives one that is missing.

    prometheus_client's own `labels` takes longer than to add a number.
    """

    def __init__(self, make: Callable[[Key], Child]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, key: Key) -> Child:
        child = self[key] = self._make(key)
        return child


class ModelMetrics:
    """The series of one version of a model. They begin when something happens, and end a minute after the last use.

    Both names are empty for what concerns no model.
    """

    def __init__(self, metrics: "Metrics", name: str, version: str) -> None:
        self.name = name
        self.version = version
        self._metrics = metrics
        self.last_answer_time = 0.0  # of a request with status 200 (time.time()); 0 if there was none
        self._num_uses = 0
        self._end: asyncio.TimerHandle | None = None  # the end of the series, if it is due
        labels = name, version
        self.stages: Children[str, Histogram] = Children(lambda stage: metrics.stage_duration.labels(stage, *labels))
        self.rejected: Children[str, Counter] = Children(lambda reason: metrics.rejected.labels(reason, *labels))
        self.outcomes: Children[tuple[str, str], Counter] = Children(
            lambda key: metrics.detect_requests.labels(*labels, *key)
        )
        self._durations: Children[tuple[str, int, str], Histogram] = Children(
            lambda key: metrics.request_duration.labels(*key, *labels)
        )
        self._batches: Children[None, tuple[Histogram, Counter]] = Children(
            lambda _: (metrics.batch_size.labels(*labels), metrics.worker_busy_seconds.labels(*labels))
        )

    def show_outcomes(self) -> None:
        """Report all outcomes, also those that have not happened yet."""
        for protocol in self._metrics.protocols:
            for outcome in OUTCOMES:
                self.outcomes[outcome, protocol]

    def observe_request(
        self,
        route: str,
        code: int,
        seconds: float,
        outcome: str = "",
        exemplar: dict[str, str] | None = None,
        protocol: str = HTTP,
    ) -> None:
        """Count an answered request, with its outcome if it is a detect request; called on the event loop."""
        self._durations[route, code, protocol].observe(seconds, exemplar)
        if code == 200:
            self.last_answer_time = time.time()
        if outcome:
            self.outcomes[outcome, protocol].inc()
        if not self._num_uses and self._end is None:  # its client has read the answer for longer than the series last
            self._end_later()

    def answered_total(self) -> Total:
        """The requests with status 200."""
        return total_of(*[histogram for (_, code, _), histogram in self._durations.items() if code == 200])

    def failed_total(self) -> Total:
        """The requests with another status."""
        return total_of(*[histogram for (_, code, _), histogram in self._durations.items() if code != 200])

    def stage_total(self, stage: str) -> Total:
        """The images that have passed a stage."""
        return total_of(self.stages[stage]) if stage in self.stages else total_of()

    @property
    def num_batches(self) -> int:
        """The batches that have run."""
        return total_of(self._batches[None][0]).count if self._batches else 0

    def observe_batch(self, size: int, seconds: float) -> None:
        """Count a batch that has run."""
        sizes, busy_seconds = self._batches[None]
        sizes.observe(size)
        busy_seconds.inc(seconds)

    def observe_detections(
        self, classes: Sequence[str], labels: NDArray[np.int32], scores: NDArray[np.float32]
    ) -> None:
        """Count the detections of one image: labels (D,) and scores (D,)."""
        self._metrics.detections.observe((self.name, self.version), classes, labels, scores)

    def show(
        self, engine: str, description: str, *, num_streams: int, queue_limit: int, depth: Callable[[], float]
    ) -> None:
        """Report a load of this version as served, with its engine; `depth` gives the images that wait for it."""
        metrics, labels = self._metrics, (self.name, self.version)
        metrics.model_info.labels(*labels, engine, description).set(1)
        metrics.queue_depth.labels(*labels).set_function(depth)
        metrics.queue_limit.labels(*labels).set(queue_limit)
        metrics.engine_streams.labels(*labels).set(num_streams)
        self.begin_use()

    def hide(self) -> None:
        """Report this version as served no more; `end_use` follows, and perhaps `show` of another load before it."""
        metrics = self._metrics
        for gauge in (metrics.model_info, metrics.queue_depth, metrics.queue_limit, metrics.engine_streams):
            gauge.remove_by_labels({"model": self.name, "version": self.version})

    def begin_use(self) -> None:
        """A load of this version is served from now on. Its outcomes begin at 0, so that the first one is a rise."""
        self._num_uses += 1
        if self._end is not None:
            self._end.cancel()
            self._end = None
        self.show_outcomes()

    def end_use(self) -> None:
        """A load of this version is freed; called on the event loop."""
        self._num_uses -= 1
        if not self._num_uses:
            self._end_later()

    def _end_later(self) -> None:
        self._end = asyncio.get_running_loop().call_later(FORGET_SECONDS, self._end_now)

    def _end_now(self) -> None:
        self._end = None
        self._metrics.forget(self.name, self.version)
        for children in (self.stages, self.rejected, self.outcomes, self._durations, self._batches):
            children.clear()  # they are in no scrape any more: a later load of this version begins new ones


def total_of(*histograms: Histogram) -> Total:
    """The counts and the sums of histograms of seconds."""
    samples = [sample for histogram in histograms for metric in histogram.collect() for sample in metric.samples]
    counts = sum(sample.value for sample in samples if sample.name.endswith("_count"))
    return Total(int(counts), sum(sample.value for sample in samples if sample.name.endswith("_sum")))
