"""Every metric of the server. No label is ever made from what a client sent."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

NUM_BUCKETS = 25
SECONDS_BUCKETS = tuple(0.0005 * 1.5**i for i in range(NUM_BUCKETS))  # 0.5 ms to 8.4 s
SCORE_BUCKETS = tuple(i / 20 for i in range(1, 21))
BATCH_BUCKETS = (1, 2, 4, 8, 16, 32, 64)
STAGES = ("receive", "decode", "queue", "infer", "postprocess", "respond")


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
        self.queue_depth = Gauge("singleshot_queue_depth", "Images waiting for the engine", ["model"], registry=registry)
        self.rejected = Counter("singleshot_rejected_total", "Requests turned away", ["reason"], registry=registry)
        self.inflight_pixels = Gauge("singleshot_inflight_pixels", "Pixels of the images being decoded", registry=registry)
        self.worker_busy_seconds = Counter(
            "singleshot_worker_busy_seconds_total",
            "Time that the engine's thread was running batches",
            ["model"],
            registry=registry,
        )
        self.detections = Counter("singleshot_detections_total", "Objects found", ["model", "label"], registry=registry)
        self.detection_score = Histogram(
            "singleshot_detection_score", "Scores of the objects found", ["model"], buckets=SCORE_BUCKETS, registry=registry
        )
        self.model_info = Gauge(
            "singleshot_model_info",
            "What is served; always 1",
            ["model", "version", "engine", "description"],
            registry=registry,
        )
        self.model_loads = Counter(
            "singleshot_model_loads_total",
            "Bundles loaded while the server ran, or refused",
            ["model", "outcome"],
            registry=registry,
        )
        self.ready = Gauge("singleshot_ready", "1 while /readyz answers 200", registry=registry)

    def observe_batch(self, model: str) -> Callable[[int, float], None]:
        """What the batcher of `model` calls after each batch, with its size and the seconds that it took."""
        sizes, busy = self.batch_size.labels(model), self.worker_busy_seconds.labels(model)

        def observe(size: int, seconds: float) -> None:
            sizes.observe(size)
            busy.inc(seconds)

        return observe
