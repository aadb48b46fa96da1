"""The repository API: Triton's client loads and unloads a model, if it may."""

import gzip
from pathlib import Path

import httpx
import pytest

from tests.asgi_client import AsgiClient
from tests.service.api.open_inference.remote import Remote
from tests.service.served_app import problem


def test_a_triton_client_loads_and_unloads(remote: Remote, bundle_path: Path) -> None:
    assert remote.index() == [{"name": "tiny", "version": "1", "state": "READY", "reason": ""}]
    remote.client.unload_model("tiny")
    assert not remote.client.is_model_ready("tiny")
    assert not remote.client.is_server_ready()
    assert remote.index()[0]["state"] == "UNAVAILABLE"
    with pytest.raises(remote.Error, match="no bundle has that name"):
        remote.client.load_model("other")
    manifest = bundle_path / "manifest.json"
    content = manifest.read_text()
    manifest.write_text("{}")
    with pytest.raises(remote.Error, match="export the bundle again"):
        remote.client.load_model("tiny")
    manifest.write_text(content)
    remote.client.load_model("tiny")
    assert remote.client.is_model_ready("tiny")


def test_parameters_of_a_load_are_refused_and_the_model_stays(remote: Remote) -> None:
    for override in ({"config": "{}"}, {"config": "{}", "files": {"file:1/model.onnx": b"other"}}):
        with pytest.raises(remote.Error, match="does not support the parameter"):
            remote.client.load_model("tiny", **override)
    assert remote.client.is_model_ready("tiny")


def test_the_index_may_be_of_the_loaded_models_only(remote: Remote) -> None:
    remote.client.unload_model("tiny", unload_dependents=True)
    address = f"http://{remote.address}/v2/repository/index"
    assert httpx.post(address, json={"ready": True}).json() == []
    assert [entry["name"] for entry in httpx.post(address, json={}).json()] == ["tiny"]
    remote.client.load_model("tiny")
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
