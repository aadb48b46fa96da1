"""The further names of models: what they may be, and that both names mean the same model everywhere."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import generate_latest

from service.api.app import create_app
from service.repository.aliases import AliasError
from tests.asgi_client import AsgiClient
from tests.service.served_app import GOLDEN, labels, problem, settings
from tests.tiny_bundle import write_tiny_bundle


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds the bundles `tiny` and `second`."""
    path = tmp_path_factory.mktemp("bundles")
    write_tiny_bundle(path / "tiny")
    write_tiny_bundle(path / "second", name="second")
    return path


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[AsgiClient]:
    names = "cells", "second=other", "tiny=blood"
    with AsgiClient(create_app(settings(folder / "tiny", folder / "second", serve_as=names))) as running:
        yield running


@pytest.mark.parametrize(("name", "own"), [("cells", "tiny"), ("blood", "tiny"), ("other", "second")])
def test_an_alias_means_its_model_wherever_a_model_is_named(client: AsgiClient, name: str, own: str) -> None:
    response = client.post("/detect", params={"model": name}, content=GOLDEN)
    assert len(labels(response)) == 2
    assert (response.json()["model"], response.headers["x-model-name"]) == (own, own)
    for path in ("ready", "versions/1/ready", "config", "versions/1/config", "stats", "versions/1", "versions/1/stats"):
        assert client.get(f"/v2/models/{name}/{path}").status_code == 200
    assert client.get(f"/models/{name}/golden").content == client.get(f"/models/{own}/golden").content
    assert client.post("/detect", params={"model": name, "version": "1"}, content=GOLDEN).status_code == 200
    problem(client.post("/detect", params={"model": name, "version": "2"}, content=GOLDEN), 404)


def test_the_models_are_listed_once_with_their_aliases(client: AsgiClient) -> None:
    listed = {model["name"]: model["aliases"] for model in client.get("/models").json()["models"]}
    assert listed == {"tiny": ["cells", "blood"], "second": ["other"]}
    index = client.post("/v2/repository/index").json()
    assert [entry["name"] for entry in index] == ["tiny", "second"]


def test_a_name_that_nobody_has_is_answered_with_all_names(client: AsgiClient) -> None:
    detail = problem(client.get("/v2/models/third"), 404)
    assert detail.endswith("there are tiny, cells, blood, second, other")


def test_metrics_and_log_know_only_the_model_s_own_name(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    app = create_app(settings(folder / "tiny", serve_as=("cells",)))
    with AsgiClient(app) as client, caplog.at_level("INFO", "singleshot"):
        client.post("/detect", params={"model": "cells"}, content=GOLDEN)
        client.post("/v2/models/cells/infer", json={})
        metrics = generate_latest(app.state.server.metrics.registry).decode()
    assert 'model="tiny"' in metrics
    assert 'model="cells"' not in metrics
    requests = [record for record in caplog.records if getattr(record, "event", "") == "request"]
    assert [getattr(record, "model", "") for record in requests] == ["tiny", "tiny"]


def test_requests_without_a_name_are_answered_as_before(client: AsgiClient) -> None:
    response = client.post("/detect", content=GOLDEN)
    assert response.json()["model"] == "tiny"


def test_a_model_is_unloaded_and_loaded_by_its_alias(folder: Path) -> None:
    app = create_app(settings(folder / "tiny", folder / "second", serve_as=("cells",), model_control=True))
    with AsgiClient(app) as client:
        assert client.post("/v2/repository/models/cells/unload").status_code == 200
        problem(client.get("/v2/models/cells/ready"), 404)
        assert client.post("/v2/repository/models/cells/load").status_code == 200
        assert client.get("/v2/models/cells/ready").json() == {"name": "cells", "ready": True}


def test_a_reload_keeps_the_aliases(tmp_path: Path) -> None:
    path = write_tiny_bundle(tmp_path / "bundle").path
    app = create_app(settings(path, serve_as=("cells",)))
    with AsgiClient(app) as client:
        write_tiny_bundle(path, version="2")
        client.run(app.state.server.repository.poll())
        assert client.get("/v2/models/cells").json()["versions"] == ["2"]


def test_an_alias_shares_its_requests_with_the_canary(tmp_path: Path) -> None:
    main, canary = (write_tiny_bundle(tmp_path / version, version=version).path for version in ("1", "2"))
    app = create_app(settings(main, canaries=(str(canary),), canary_share=0.5, serve_as=("cells",)))
    with AsgiClient(app):
        assert [app.state.server.repository.choose("cells").version for _ in range(4)] == ["1", "2", "1", "2"]


def test_a_model_may_be_served_as_its_own_name(folder: Path) -> None:
    with AsgiClient(create_app(settings(folder / "tiny", serve_as=("tiny", "tiny=tiny")))) as client:
        assert client.get("/models").json()["models"][0]["aliases"] == []
        assert client.get("/v2/models/tiny/ready").status_code == 200


@pytest.mark.parametrize(
    ("serve_as", "words"),
    [
        (("second",), "a model has that name already; give tiny another alias"),
        (("third=cells",), "no model is named third; there are tiny, second"),
        (("cells", "second=cells"), "it is given to tiny and to second; choose one of them"),
        (("cells=other", "cells"), "no model is named cells"),
    ],
)
def test_a_name_without_a_clear_meaning_ends_the_start(folder: Path, serve_as: tuple[str, ...], words: str) -> None:
    with pytest.raises(AliasError, match=words):
        create_app(settings(folder / "tiny", folder / "second", serve_as=serve_as))


def test_the_alias_of_a_refused_bundle_is_answered_with_the_reason(folder: Path, tmp_path: Path) -> None:
    bundle = write_tiny_bundle(tmp_path / "broken", name="mine")
    text = bundle.path.joinpath("manifest.json").read_text()
    bundle.path.joinpath("manifest.json").write_text("{}")
    app = create_app(settings(bundle.path, folder / "second", serve_as=("cells", "mine")))
    with AsgiClient(app) as client:
        assert "manifest.json" in problem(client.get("/v2/models/cells/ready"), 503)
        bundle.path.joinpath("manifest.json").write_text(text)
        client.run(app.state.server.repository.poll())
        assert client.get("/v2/models/cells/ready").status_code == 200
        assert client.get("/models").json()["models"][0]["aliases"] == ["cells"]


def test_a_new_bundle_may_not_take_the_alias_of_another_model(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "broken"
    path.mkdir()
    app = create_app(settings(folder / "tiny", path, serve_as=("cells",)))
    with AsgiClient(app) as client:
        write_tiny_bundle(path, name="cells")
        client.run(app.state.server.repository.poll())
        (fault,) = client.get("/models").json()["faults"]
        assert "its name cells is an alias of tiny" in fault["reason"]
        assert client.get("/v2/models/cells/ready").status_code == 200
