"""Triton's statistics count what the server has answered."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.api.app import create_app
from tests.asgi_client import AsgiClient
from tests.service.api.open_inference.inference import PIXEL, infer
from tests.service.api.open_inference.remote import Remote
from tests.service.served_app import GOLDEN, settings
from tests.tiny_bundle import write_tiny_bundle


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[AsgiClient]:
    """A client of a server that has answered nothing yet, with the model tiny in two versions."""
    main, canary = (write_tiny_bundle(tmp_path / version, version=version).path for version in ("1", "2"))
    with AsgiClient(create_app(settings(main, canaries=(str(canary),), canary_share=0.0))) as running:
        yield running


def statistics(client: AsgiClient, path: str = "/tiny/versions/1") -> list[dict[str, Any]]:
    response = client.get(f"/v2/models{path}/stats")
    assert response.status_code == 200
    found: list[dict[str, Any]] = response.json()["model_stats"]
    return found


def test_a_server_that_has_answered_nothing_has_counted_nothing(fresh: AsgiClient) -> None:
    (counted,) = statistics(fresh)
    assert counted["last_inference"] == counted["inference_count"] == counted["execution_count"] == 0
    assert all(total == {"count": 0, "ns": 0} for total in counted["inference_stats"].values())


def test_requests_images_and_batches_are_counted(fresh: AsgiClient) -> None:
    fresh.post("/detect", content=GOLDEN)
    infer(fresh, {**PIXEL, "shape": [3, 1, 1, 3], "data": [0] * 9})
    infer(fresh, {**PIXEL, "name": "unknown"})
    (counted,) = statistics(fresh)
    assert (counted["name"], counted["version"]) == ("tiny", "1")
    assert counted["inference_count"] == 4  # images
    assert 2 <= counted["execution_count"] <= 4  # batches
    assert counted["last_inference"] > 1.7e12  # milliseconds since 1970
    totals = counted["inference_stats"]
    assert (totals["success"]["count"], totals["fail"]["count"]) == (2, 1)
    for stage in ("queue", "compute_infer", "compute_output"):
        assert totals[stage]["count"] == 4
    assert totals["compute_input"]["count"] >= 1  # images that are decoded
    assert totals["compute_infer"]["ns"] > 0


def test_all_models_one_model_and_one_version_can_be_asked_for(fresh: AsgiClient) -> None:
    versions = {path: [found["version"] for found in statistics(fresh, path)] for path in ("", "/tiny")}
    assert versions == {"": ["1", "2"], "/tiny": ["1", "2"]}
    assert [found["version"] for found in statistics(fresh, "/tiny/versions/2")] == ["2"]


def test_a_triton_client_reads_the_statistics(remote: Remote) -> None:
    before = remote.get("inference_statistics", "tiny")["model_stats"][0]["inference_count"]
    remote.infer("tiny", [remote.pixels(np.zeros((1, 8, 8, 3), np.uint8))])
    assert remote.get("inference_statistics", "tiny", "1")["model_stats"][0]["inference_count"] == before + 1
    assert [found["name"] for found in remote.get("inference_statistics")["model_stats"]] == ["tiny"]
