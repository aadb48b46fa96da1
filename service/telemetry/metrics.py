"""Every metric of the server. No label holds text that a client sent."""

import os
import platform
from collections.abc import Mapping, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, disable_created_metrics

from service import __version__
from service.telemetry.detection_counts import DetectionCounts
from service.telemetry.model_metrics import HTTP, OUTCOMES, ModelMetrics

SECONDS_BUCKETS = (
    *(0.0005, 0.00075, 0.001, 0.0015, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15),
    *(0.2, 0.25, 0.3, 0.4, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 7.5, 10.0, 15.0, 30.0, 60.0),
)  # the last ones are above the default deadline
LAG_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
BATCH_BUCKETS = (1, 2, 4, 8, 16, 32, 64)
MODEL = ("model", "version")  # labels of what concerns a model; both are empty for what concerns none

disable_created_metrics()  # type: ignore[no-untyped-call]  # a series with the time of its start beside each counter would double the counters


class Metrics:
    """The server's metrics in the given registry, of requests that come by these protocols."""

    def __init__(self, registry: CollectorRegistry, protocols: Sequence[str] = (HTTP,)) -> None:
        self.registry = registry
        self.protocols = protocols
        ProcessCollector(registry=registry)  # process_cpu_seconds_total, process_resident_memory_bytes, …
        self._models: dict[tuple[str, str], ModelMetrics] = {}

        def gauge(name: str, text: str, labels: tuple[str, ...] = ()) -> Gauge:
            return Gauge(f"singleshot_{name}", text, labels, registry=registry)

        def counter(name: str, text: str, labels: tuple[str, ...] = ()) -> Counter:
            return Counter(f"singleshot_{name}", text, labels, registry=registry)

        def histogram(
            name: str, text: str, labels: tuple[str, ...] = (), buckets: tuple[float, ...] = SECONDS_BUCKETS
        ) -> Histogram:
            return Histogram(f"singleshot_{name}", text, labels, buckets=buckets, registry=registry)

        self.request_duration = histogram(
            "request_duration_seconds",
            "Time from the request's first byte to the last of its answer",
            ("route", "code", "protocol", *MODEL),
        )
        self.detect_requests = counter(
            "detect_requests_total",
            f"Detect requests by outcome: {', '.join(OUTCOMES)}",
            (*MODEL, "outcome", "protocol"),
        )
        self.stage_duration = histogram(
            "stage_duration_seconds",
            "Time that an image, or for receive and respond a request, spent in a stage",
            ("stage", *MODEL),
        )
        self.batch_size = histogram("batch_size", "Images in a batch", MODEL, BATCH_BUCKETS)
        self.queue_depth = gauge("queue_depth", "Images waiting for the engine", MODEL)
        self.queue_limit = gauge("queue_limit", "Images that may wait for the engine", MODEL)
        self.worker_busy_seconds = counter(
            "worker_busy_seconds_total", "Time that the engine's streams were running batches", MODEL
        )
        self.engine_streams = gauge("engine_streams", "Batches that the model's engine runs at once", MODEL)
        self.rejected = counter("rejected_total", "Requests rejected", ("reason", *MODEL))
        self.detections = DetectionCounts()
        registry.register(self.detections)
        self.model_info = gauge("model_info", "The served models; always 1", (*MODEL, "engine", "description"))
        self.model_share = gauge("model_share", "Share of the model's requests that this version gets", MODEL)
        self.model_loads = counter(
            "model_loads_total", "Bundles that the server has loaded again or refused", ("model", "outcome")
        )
        self.bundle_fault = gauge(
            "bundle_fault",
            "1 while what the bundle's directory holds is refused, or while the directory is missing",
            ("bundle", "model", "fault"),
        )
        self.api_keys_fault = gauge("api_keys_fault", "1 while what the file of API keys holds is refused")
        self.engine_builds = counter(
            "engine_builds_total",
            "TensorRT engines that the running server has put into service, failed to build, or refused",
            ("model", "outcome"),
        )
        self.engine_build_progress = gauge(
            "engine_build_progress",
            "Share of the build of a TensorRT engine that is done; no series if none is being built",
            ("model",),
        )
        self.ready = gauge("ready", "1 while /readyz answers 200")
        self.requests_in_flight = gauge("requests_in_flight", "Detect requests in the server")
        self.requests_limit = gauge("requests_limit", "Detect requests that may be in the server at once")
        self.inflight_pixels = gauge("inflight_pixels", "Pixels of the images being decoded")
        self.inflight_pixels_limit = gauge("inflight_pixels_limit", "Pixels that may be decoded at once")
        self.inflight_body_bytes = gauge("inflight_body_bytes", "Bytes of bodies of requests that are being answered")
        self.inflight_body_bytes_limit = gauge("inflight_body_bytes_limit", "Bytes that all bodies may have together")
        self.connections = gauge("connections", "Open connections of clients")
        self.connections_limit = gauge("connections_limit", "Connections that may be open at once")
        self.connections_refused = counter("connections_refused_total", "Connections that were too many")
        self.event_loop_lag = histogram(
            "event_loop_lag_seconds", "How late the event loop was, once a second", buckets=LAG_BUCKETS
        )
        self.build_info = gauge("build_info", "The server's build; always 1", ("version", "python"))
        self.build_info.labels(__version__, platform.python_version()).set(1)
        self.no_model = ModelMetrics(self, "", "")
        self.no_model.begin_use()

    def show_settings(self, settings: Mapping[str, object]) -> None:
        """Report the settings, which hold no secret, as the labels of a metric."""
        names = tuple(settings)
        info = Gauge("singleshot_settings_info", "The settings; always 1", names, registry=self.registry)
        info.labels(*(text_of(value) for value in settings.values())).set(1)

    def of_model(self, name: str, version: str) -> ModelMetrics:
        """The metrics of a version of a model, which all its loads share."""
        return self._models.setdefault((name, version), ModelMetrics(self, name, version))

    def forget(self, name: str, version: str) -> None:
        """Drop the series of a version of a model that is not served any more."""
        labels = dict(zip(MODEL, (name, version), strict=True))
        for metric in (
            self.request_duration,
            self.detect_requests,
            self.stage_duration,
            self.batch_size,
            self.worker_busy_seconds,
            self.rejected,
        ):
            metric.remove_by_labels(labels)
        self.detections.forget(name, version)


def text_of(setting: object) -> str:
    """A setting as the environment gives it."""
    match setting:
        case None:
            return ""
        case bool():
            return str(setting).lower()
        case list():
            return os.pathsep.join(map(str, setting))
    return str(setting)
