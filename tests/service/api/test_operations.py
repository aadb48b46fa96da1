"""Health, readiness, the list of models and the metrics."""

import re
import sys

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from service import __version__
from service.api.schemas import ModelList
from tests.asgi_client import AsgiClient
from tests.service.served_app import GOLDEN


def test_the_models_are_listed_with_the_default_first(client: AsgiClient) -> None:
    models = ModelList.model_validate_json(client.get("/models").content).models
    assert [(model.name, model.is_default, model.engine) for model in models] == [
        ("tiny", True, "onnx"),
        ("second", False, "onnx"),
    ]
    assert models[0].classes == ["red", "green"]


def test_health_and_readiness_are_answered(client: AsgiClient) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json() == {"status": "ready", "faults": []}


def test_metrics_count_requests_stages_batches_and_detections(client: AsgiClient) -> None:
    client.post("/detect", content=GOLDEN)
    client.get("/no/such/path/of/mine")
    text = client.get("/metrics").text
    for line in (
        'singleshot_request_duration_seconds_bucket{code="200",le="0.0005",model="tiny",protocol="http",route="/detect",version="1"}',
        'singleshot_stage_duration_seconds_count{model="tiny",stage="infer",version="1"}',
        'singleshot_detections_total{label="red",model="tiny",version="1"}',
        'singleshot_detection_score_bucket{le="1.0",model="tiny",version="1"}',
        'singleshot_detection_score_sum{model="tiny",version="1"}',
        'singleshot_model_info{description="cpu, fp32",engine="onnx",model="tiny",version="1"} 1.0',
        'singleshot_queue_depth{model="tiny",version="1"} 0.0',
        'singleshot_batch_size_count{model="tiny",version="1"}',
        'singleshot_worker_busy_seconds_total{model="tiny",version="1"}',
        "singleshot_inflight_pixels 0.0",
        "singleshot_ready 1.0",
    ):
        assert line in text
    assert "mine" not in text


def test_the_metrics_show_the_build_the_settings_and_the_limits(client: AsgiClient) -> None:
    text = client.get("/metrics").text
    assert f'singleshot_build_info{{python="{sys.version.split()[0]}",version="{__version__}"}} 1.0' in text
    (settings_info,) = [line for line in text.splitlines() if line.startswith("singleshot_settings_info{")]
    for label in ('max_batch="2"', 'engine_build="true"', 'engine_streams=""'):
        assert label in settings_info
    for line in (
        "singleshot_requests_in_flight 0.0",
        "singleshot_requests_limit 256.0",
        'singleshot_queue_limit{model="tiny",version="1"} 256.0',
        "singleshot_inflight_pixels_limit 2e+08",
        "singleshot_inflight_body_bytes_limit 2.68435456e+08",
        "singleshot_connections 0.0",
        "singleshot_event_loop_lag_seconds_count 0.0",
    ):
        assert line in text
    assert "_created" not in text


@pytest.mark.parametrize(
    ("path", "body", "outcome"),
    [
        ("/detect", GOLDEN, "in_time"),
        ("/detect", b"no image", "client_error"),
        ("/v2/models/tiny/infer", b"{}", "client_error"),
    ],
)
def test_each_detect_request_counts_once_under_its_outcome(
    client: AsgiClient, path: str, body: bytes, outcome: str
) -> None:
    labels = f'model="tiny",outcome="{outcome}",protocol="http",version="1"'
    line = re.compile(rf"singleshot_detect_requests_total{{{labels}}} (.*)")

    def count() -> float:
        found = line.search(client.get("/metrics").text)
        return float(found[1]) if found else 0.0

    before = count()
    client.post(path, content=body)
    assert count() == before + 1


def test_prometheus_gets_openmetrics_if_it_asks_for_it(client: AsgiClient) -> None:
    client.post("/detect", content=GOLDEN)
    response = client.get("/metrics", headers={"Accept": "application/openmetrics-text;version=1.0.0"})
    assert response.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    parsed = text_string_to_metric_families(response.text)  # type: ignore[no-untyped-call]
    families = {family.name for family in parsed}
    assert {"singleshot_detect_requests", "singleshot_request_duration_seconds"} <= families
    assert client.get("/metrics").headers["content-type"].startswith("text/plain")
