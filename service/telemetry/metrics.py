"""Every metric of the server. No label holds text that a client sent."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from service.telemetry.detection_counts import DetectionCounts

NUM_BUCKETS = 25
SECONDS_BUCKETS = tuple(0.0005 * 1.5**i for i in range(NUM_BUCKETS))  # 0.5 ms to 8.4 s
BATCH_BUCKETS = (1, 2, 4, 8, 16, 32, 64)
STAGES = ("receive", "decode", "queue", "infer", "postprocess", "draw", "respond")


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
        self._request_durations: dict[tuple[str, int], Histogram] = {}  # by route and code
        self.stage_duration = Histogram(
            "singleshot_stage_duration_seconds",
            "Time that an image, or for receive and respond a request, spent in a stage",
            ["stage"],
            buckets=SECONDS_BUCKETS,
            registry=registry,
        )
        self.stages = {stage: self.stage_duration.labels(stage) for stage in STAGES}  # `labels` takes longer than a sum
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
        self.detections = DetectionCounts()
        registry.register(self.detections)
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

    def observe_request(self, route: str, code: int, seconds: float) -> None:
        """Count an answered request."""
        durations = self._request_durations.get((route, code))
        if durations is None:
            durations = self._request_durations[route, code] = self.request_duration.labels(route, code)
        durations.observe(seconds)

    def observe_batch(self, model: str) -> Callable[[int, float], None]:
        """A function for the batcher of `model` to call after each batch, with its size and its duration in seconds."""
        sizes, busy = self.batch_size.labels(model), self.worker_busy_seconds.labels(model)

        def observe(size: int, seconds: float) -> None:
            sizes.observe(size)
            busy.inc(seconds)

        return observe
