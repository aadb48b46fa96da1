"""Health, readiness, the list of models and the metrics."""

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
    assert client.get("/readyz").json() == {"status": "ready"}


def test_metrics_count_requests_stages_batches_and_detections(client: AsgiClient) -> None:
    client.post("/detect", content=GOLDEN)
    client.get("/no/such/path/of/mine")
    text = client.get("/metrics").text
    for line in (
        'singleshot_request_duration_seconds_bucket{code="200",le="0.0005",route="/detect"}',
        'singleshot_stage_duration_seconds_count{stage="infer"}',
        'singleshot_detections_total{label="red",model="tiny"}',
        'singleshot_detection_score_bucket{le="1",model="tiny"}',
        'singleshot_detection_score_sum{model="tiny"}',
        'singleshot_model_info{description="cpu, fp32",engine="onnx",model="tiny",version="1"} 1.0',
        'singleshot_queue_depth{model="tiny"} 0.0',
        'singleshot_batch_size_count{model="tiny"}',
        'singleshot_worker_busy_seconds_total{model="tiny"}',
        "singleshot_inflight_pixels 0.0",
        "singleshot_ready 1.0",
    ):
        assert line in text
    assert "mine" not in text
