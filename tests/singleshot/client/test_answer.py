"""What the client reads from an answer."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from singleshot import DetectError
from singleshot.client.answer import Answer, detections_of, error_of, stage_seconds_of
from singleshot.client.served_model import models_of
from tests.singleshot.client.scripted_server import RESULT

LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
NAMES = st.sampled_from(["model", "version", "results", "width", "height", "detections", "box", "label", "title"])
JSON = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=5))


def changed(content: Any, path: list[int], value: Any) -> Any:
    """A copy of the JSON value with one value replaced; the path's numbers choose the branches."""
    if not path or not isinstance(content, dict | list) or not content:
        return value
    keys = list(content) if isinstance(content, dict) else list(range(len(content)))
    key = keys[path[0] % len(keys)]
    copy = content.copy()
    copy[key] = changed(content[key], path[1:], value)
    return copy


@given(path=st.lists(st.integers(0, 5), max_size=6), value=JSON)
def test_an_answer_of_any_form_gives_detections_or_an_error(path: list[int], value: Any) -> None:
    answer = Answer(200, {}, json.dumps(changed(RESULT, path, value)).encode())
    with suppress(DetectError):
        assert all(isinstance(one.score, float) for one in detections_of(answer))


@given(status=st.integers(201, 599), body=JSON.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=20))
def test_a_refusal_of_any_form_is_an_error_with_its_status(status: int, body: bytes) -> None:
    error = error_of(Answer(status, {}, body))
    assert error.status == status
    assert str(status) in str(error)
    with pytest.raises(DetectError):
        models_of(Answer(200, {}, body))


@pytest.mark.parametrize(
    ("header", "stages"),
    [
        ("decode;dur=1.5, queue;dur=0, infer;dur=20.25", {"decode": 0.0015, "queue": 0, "infer": 0.02025}),
        ('cache;desc="hit", infer;dur=3;desc="batch of 8", draw;dur=1', {"infer": 0.003, "draw": 0.001}),
        ("infer;dur=1.2.3", {}),
        ("", {}),
    ],
)
def test_stages_are_read_from_server_timing(header: str, stages: dict[str, float]) -> None:
    assert stage_seconds_of(header) == stages
