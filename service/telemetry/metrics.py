"""Every metric of the server. No label holds text that a client sent."""

import threading
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.metrics_core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

NUM_BUCKETS = 25
SECONDS_BUCKETS = tuple(0.0005 * 1.5**i for i in range(NUM_BUCKETS))  # 0.5 ms to 8.4 s
SCORE_BUCKETS = tuple(i / 20 for i in range(1, 21))
BATCH_BUCKETS = (1, 2, 4, 8, 16, 32, 64)
STAGES = ("receive", "decode", "queue", "infer", "postprocess", "draw", "respond")


class ScoreHistogram(Collector):
    """A histogram by model that counts all scores of an image in one call.

    A hundred single observations would cost more than the soft-NMS of the image.
    """

    def __init__(self, name: str, documentation: str) -> None:
        self._name = name
        self._documentation = documentation
        self._lock = threading.Lock()
        self._counts: dict[str, NDArray[np.int64]] = {}  # by bucket; the last one is for scores above all bounds
        self._sums: dict[str, float] = {}

    def observe(self, model: str, scores: NDArray[np.float32]) -> None:
        """Count scores (D,)."""
        counts = np.bincount(np.searchsorted(SCORE_BUCKETS, scores), minlength=len(SCORE_BUCKETS) + 1)
        with self._lock:
            self._counts[model] = self._counts.get(model, 0) + counts
            self._sums[model] = self._sums.get(model, 0.0) + float(scores.sum())

    def collect(self) -> Iterator[Metric]:
        """The histogram in the form of prometheus_client."""
        family = HistogramMetricFamily(self._name, self._documentation, labels=["model"])
        with self._lock:
            for model, counts in self._counts.items():
                bounds = [*(f"{bound:g}" for bound in SCORE_BUCKETS), "+Inf"]
                buckets = list(zip(bounds, np.cumsum(counts).tolist(), strict=True))
                family.add_metric([model], buckets, self._sums[model])
        yield family


class Metrics:
    """The server's metrics in the given registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        ProcessCollector(registry=registry)  # process_cpu_seconds_total, process_resident_memory_bytes, …
        self.request_duration = Histogram(
            "singleshot_request_duration_seconds",
            "Time from the request's first byte to the last of its answer",
            ["route", "code"],
            buckets=SECONDS_BUCKETS,
            registry=registry,
        )
        self.stage_duration = Histogram(
            "singleshot_stage_duration_seconds",
            "Time that an image, or for receive and respond a request, spent in a stage",
            ["stage"],
            buckets=SECONDS_BUCKETS,
            registry=registry,
        )
        for stage in STAGES:
            self.stage_duration.labels(stage)
        self.batch_size = Histogram(
            "singleshot_batch_size", "Images in a batch", ["model"], buckets=BATCH_BUCKETS, registry=registry
        )
        self.queue_depth = Gauge(
            "singleshot_queue_depth", "Images waiting for the engine", ["model"], registry=registry
        )
        self.rejected = Counter("singleshot_rejected_total", "Requests rejected", ["reason"], registry=registry)
        self.inflight_pixels = Gauge(
            "singleshot_inflight_pixels", "Pixels of the images being decoded", registry=registry
        )
        self.inflight_body_bytes = Gauge(
            "singleshot_inflight_body_bytes", "Bytes of bodies of requests that are being answered", registry=registry
        )
        self.worker_busy_seconds = Counter(
            "singleshot_worker_busy_seconds_total",
            "Time that the engine's streams were running batches",
            ["model"],
            registry=registry,
        )
        self.engine_streams = Gauge(
            "singleshot_engine_streams", "Batches that an engine runs at once", registry=registry
        )
        self.detections = Counter("singleshot_detections_total", "Objects found", ["model", "label"], registry=registry)
        self.detection_scores = ScoreHistogram("singleshot_detection_score", "Scores of the objects found")
        registry.register(self.detection_scores)
        self.model_info = Gauge(
            "singleshot_model_info",
            "The served models; always 1",
            ["model", "version", "engine", "description"],
            registry=registry,
        )
        self.model_loads = Counter(
            "singleshot_model_loads_total",
            "Bundles that the running server has loaded or refused",
            ["model", "outcome"],
            registry=registry,
        )
        self.engine_builds = Counter(
            "singleshot_engine_builds_total",
            "TensorRT engines that the running server has put into service, failed to build, or refused",
            ["model", "outcome"],
            registry=registry,
        )
        self.engine_build_progress = Gauge(
            "singleshot_engine_build_progress",
            "Share of the build of a TensorRT engine that is done; no series if none is being built",
            ["model"],
            registry=registry,
        )
        self.ready = Gauge("singleshot_ready", "1 while /readyz answers 200", registry=registry)

    def observe_detections(
        self, model: str, classes: Sequence[str], labels: NDArray[np.int32], scores: NDArray[np.float32]
    ) -> None:
        """Count the detections of one image: labels (D,) and scores (D,)."""
        self.detection_scores.observe(model, scores)
        for label, count in enumerate(np.bincount(labels).tolist()):
            if count:
                self.detections.labels(model, classes[label]).inc(count)

    def observe_batch(self, model: str) -> Callable[[int, float], None]:
        """A function for the batcher of `model` to call after each batch, with its size and its duration in seconds."""
        sizes, busy = self.batch_size.labels(model), self.worker_busy_seconds.labels(model)

        def observe(size: int, seconds: float) -> None:
            sizes.observe(size)
            busy.inc(seconds)

        return observe
