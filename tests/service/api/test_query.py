"""The query parameters and the deadline header of /detect."""

import pytest

from service.api.query import listed
from service.api.schemas import DetectResponse
from tests.asgi_client import AsgiClient
from tests.service.served_app import GOLDEN, HALF_RED, labels, problem


def test_a_request_sets_the_score_threshold(client: AsgiClient) -> None:
    assert len(labels(client.post("/detect", content=GOLDEN))) == 2
    assert len(labels(client.post("/detect?score_threshold=0.01", content=GOLDEN))) > 2


def test_a_class_may_have_its_own_threshold(client: AsgiClient) -> None:
    query = "/detect?score_threshold=1&class_thresholds=red:0.05"
    assert set(labels(client.post(query, content=GOLDEN))) == {"red", "green"}
    assert labels(client.post(query, content=GOLDEN)).count("green") == 1
    query = "/detect?class_thresholds=red:1,green:0.9&score_threshold=0"
    assert labels(client.post(query, content=GOLDEN)) == ["red", "green"]


@pytest.mark.parametrize("value", ["red", "red:", "red:2", "red:nan", "blue:0.5", ":0.5"])
def test_a_bad_class_threshold_is_a_422(client: AsgiClient, value: str) -> None:
    problem(client.post("/detect", params={"class_thresholds": value}, content=GOLDEN), 422)


def test_max_detections_keeps_the_best(client: AsgiClient) -> None:
    assert len(labels(client.post("/detect?max_detections=1", content=GOLDEN))) == 1


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("classes=green", ["green"]),
        ("classes=red,green", ["red", "green"]),
        ("classes=red&classes=green", ["red", "green"]),
    ],
)
def test_only_the_requested_classes_are_answered(client: AsgiClient, query: str, expected: list[str]) -> None:
    assert labels(client.post(f"/detect?{query}", content=GOLDEN)) == expected


def test_a_class_with_a_comma_in_its_name_is_given_by_a_parameter_of_its_own() -> None:
    classes = ("red", "green", "ace, of: hearts")
    assert listed(["red,green", "ace, of: hearts"], classes) == ["red", "green", "ace, of: hearts"]
    assert listed(["ace, of: hearts:0.5", "red:1,green:0"], classes) == ["ace, of: hearts:0.5", "red:1", "green:0"]


def test_an_unknown_class_is_a_422_that_lists_the_known_ones(client: AsgiClient) -> None:
    assert "red, green" in problem(client.post("/detect?classes=blue", content=GOLDEN), 422)


def test_hard_nms_leaves_fewer_boxes_than_soft(client: AsgiClient) -> None:
    query = "/detect?score_threshold=0.05&iou_threshold=0.1&nms="
    hard, soft, linear = (
        len(labels(client.post(query + method, content=HALF_RED))) for method in ("hard", "soft", "linear")
    )
    assert hard < soft
    assert hard < linear


def test_nms_none_gives_the_candidates_before_nms(client: AsgiClient) -> None:
    query = "/detect?score_threshold=0.05&nms=none"
    (result,) = DetectResponse.model_validate_json(client.post(query, content=HALF_RED).content).results
    assert len(result.detections) == 20  # all candidates of the model
    assert {detection.score for detection in result.detections} == {result.detections[0].score}  # none has decayed
    assert len(labels(client.post(f"{query}&max_detections=3", content=HALF_RED))) == 3
    assert labels(client.post("/detect?score_threshold=0.9&nms=none", content=HALF_RED)) == []


def test_a_narrow_sigma_lowers_the_scores(client: AsgiClient) -> None:
    def scores(sigma: float) -> list[float]:
        response = client.post(f"/detect?score_threshold=0&sigma={sigma}", content=HALF_RED)
        return [detection["score"] for detection in response.json()["results"][0]["detections"]]

    assert sum(scores(0.05)) < sum(scores(5))


@pytest.mark.parametrize(
    "query",
    ["score_threshold=2", "max_detections=0", "nms=weak", "sigma=0", "iou_threshold=nan", "format=xml", "treshold=1"],
)
def test_a_bad_parameter_is_a_422_that_names_it(client: AsgiClient, query: str) -> None:
    assert query.partition("=")[0] in problem(client.post(f"/detect?{query}", content=GOLDEN), 422)


@pytest.mark.parametrize("value", ["0", "-5", "soon", "600001", "9" * 5000])
def test_an_invalid_deadline_is_a_422(client: AsgiClient, value: str) -> None:
    response = client.post("/detect", content=GOLDEN, headers={"X-Request-Timeout-Ms": value})
    assert "X-Request-Timeout-Ms" in problem(response, 422)
