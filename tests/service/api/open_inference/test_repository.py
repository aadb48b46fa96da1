"""The repository API: Triton's client loads and unloads a model, if it may."""

from pathlib import Path
from typing import Any

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


def test_loading_is_a_403_unless_the_settings_allow_it(client: AsgiClient) -> None:
    for verb in ("load", "unload"):
        assert "MODEL_CONTROL" in problem(client.post(f"/v2/repository/models/tiny/{verb}"), 403)
