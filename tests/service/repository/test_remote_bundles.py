"""Remote bundles that a server serves."""

import re
from pathlib import Path

import pytest

from service.__main__ import read_settings
from service.api.app import create_app
from service.bundle import Bundle, BundleError
from tests.asgi_client import AsgiClient
from tests.service.object_store import bucket
from tests.service.served_app import GOLDEN, labels, settings
from tests.service.website import Website, remote, website
from tests.tiny_bundle import write_tiny_bundle

__all__ = ["bucket", "remote", "website"]


@pytest.fixture
def url(website: Website, remote: Bundle) -> str:
    return website.url.replace("://", "://me:swordfish@") + f"/{remote.path.name}?key=hidden"


def served(client: AsgiClient) -> list[tuple[str, str]]:
    return [(model["name"], model["version"]) for model in client.get("/models").json()["models"]]


def test_remote_bundle_and_canary_are_served(url: str, website: Website, tmp_path: Path) -> None:
    write_tiny_bundle(website.folder / "canary", version="2")
    canary = f"{website.url}/canary"
    app = create_app(settings(url, canaries=(canary,), engine_cache=tmp_path / "cache"))
    with AsgiClient(app) as client:
        assert served(client) == [("tiny", "1"), ("tiny", "2")]
        assert len(labels(client.post("/detect", content=GOLDEN))) == 2
        metrics = client.get("/metrics").text
    assert re.search(r'^singleshot_bundle_fault\{bundle="http://\*\*\*@127.*/cards\?\*\*\*",.*\} 0\.0$', metrics, re.M)
    assert "swordfish" not in metrics
    assert "hidden" not in metrics


def test_load_request_fetches_a_new_version(url: str, remote: Bundle, tmp_path: Path) -> None:
    app = create_app(settings(url, engine_cache=tmp_path / "cache", model_control=True))
    with AsgiClient(app) as client:
        write_tiny_bundle(remote.path, version="2")
        assert client.post("/v2/repository/models/tiny/load").status_code == 200
        assert served(client) == [("tiny", "2")]
        remote.model_path.write_bytes(b"damaged")
        write_tiny_bundle(remote.path, version="3")
        remote.model_path.write_bytes(b"damaged")
        answer = client.post("/v2/repository/models/tiny/load")
        assert answer.status_code == 400
        assert "SHA-256 is not the manifest's" in answer.text
        assert "swordfish" not in answer.text
        assert served(client) == [("tiny", "2")]


def test_server_starts_with_its_copy_if_the_bundle_cannot_be_reached(
    url: str, website: Website, tmp_path: Path
) -> None:
    for _ in range(2):
        with AsgiClient(create_app(settings(url, engine_cache=tmp_path / "cache"))) as client:
            assert served(client) == [("tiny", "1")]
        website.private.add("/cards/manifest.json")


def test_server_does_not_start_without_a_bundle(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"it cannot be reached or read .*; there is no copy of it on this machine"):
        create_app(settings("http://127.0.0.1:1/cards", engine_cache=tmp_path / "cache"))


def test_unreachable_bundle_does_not_keep_the_others_from_being_served(
    tiny_bundle: Bundle, url: str, website: Website, tmp_path: Path
) -> None:
    website.private.add("/cards/manifest.json")
    app = create_app(settings(tiny_bundle.path, url, engine_cache=tmp_path / "cache"))
    with AsgiClient(app) as client:
        assert served(client) == [("tiny", "1")]
        (fault,) = client.get("/readyz").json()["faults"]
        assert fault["fault"] == "missing"
        assert "access is refused" in fault["reason"]
        assert "swordfish" not in str(fault)


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("a:/b/c:default", ("a", "/b/c", "default")),
        ("s3://a/b:gs://c", ("s3://a/b", "gs://c")),
        ("gs://c:s3://a/b:d", ("gs://c", "s3://a/b", "d")),
        ("https://me:pass@host:8443/a/b?c=d/e:/local", ("https://me:pass@host:8443/a/b?c=d/e", "/local")),
        ("https://host:8443:https://[::1]:80/a", ("https://host:8443", "https://[::1]:80/a")),
        ("hf://user/models@main/cards:b", ("hf://user/models@main/cards", "b")),
        (":a::b:", ("a", "b")),
    ],
)
def test_urls_in_a_variable_are_separated_by_colons(
    text: str, places: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SINGLESHOT_BUNDLES", text)
    assert read_settings([]).bundles == places
