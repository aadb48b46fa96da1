"""The repository API: Triton's client loads and unloads a model, if it may."""

import gzip
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.asgi_client import AsgiClient
from tests.service.served_app import problem

triton = pytest.importorskip("tritonclient.http")


def test_a_triton_client_loads_and_unloads(remote: Any, bundle_path: Path) -> None:
    assert remote.get_model_repository_index() == [{"name": "tiny", "version": "1", "state": "READY", "reason": ""}]
    remote.unload_model("tiny")
    assert not remote.is_model_ready("tiny")
    assert not remote.is_server_ready()
    assert remote.get_model_repository_index()[0]["state"] == "UNAVAILABLE"
    with pytest.raises(triton.InferenceServerException, match="no bundle has that name"):
        remote.load_model("other")
    manifest = bundle_path / "manifest.json"
    content = manifest.read_text()
    manifest.write_text("{}")
    with pytest.raises(triton.InferenceServerException, match="export the bundle again"):
        remote.load_model("tiny")
    manifest.write_text(content)
    remote.load_model("tiny")
    assert remote.is_model_ready("tiny")


def test_parameters_of_a_load_are_refused_and_the_model_stays(remote: Any) -> None:
    for override in ({"config": "{}"}, {"config": "{}", "files": {"file:1/model.onnx": b"other"}}):
        with pytest.raises(triton.InferenceServerException, match="does not support the parameter"):
            remote.load_model("tiny", **override)
    assert remote.is_model_ready("tiny")


def test_the_index_may_be_of_the_loaded_models_only(remote: Any) -> None:
    remote.unload_model("tiny", unload_dependents=True)
    address = f"http://{remote._client_stub.host}:{remote._client_stub.port}/v2/repository/index"
    assert httpx.post(address, json={"ready": True}).json() == []
    assert [entry["name"] for entry in httpx.post(address, json={}).json()] == ["tiny"]
    remote.load_model("tiny")
    assert [entry["name"] for entry in httpx.post(address, json={"ready": True}).json()] == ["tiny"]


def test_a_body_that_is_no_request_is_refused(client: AsgiClient) -> None:
    for body in (b"{", b"[]", b'{"ready": "perhaps"}', b"\xff", b"9" * 5000):
        problem(client.post("/v2/repository/index", content=body), 400)
    problem(client.post("/v2/repository/index", content=b"[" + b"1," * 20_000 + b"1]"), 413)
    problem(
        client.post("/v2/repository/index", content=gzip.compress(b"{}"), headers={"Content-Encoding": "gzip"}), 415
    )


def test_loading_is_a_403_unless_the_settings_allow_it(client: AsgiClient) -> None:
    for verb in ("load", "unload"):
        assert "MODEL_CONTROL" in problem(client.post(f"/v2/repository/models/tiny/{verb}"), 403)
