"""The list of servers, and their requests."""

import pytest

from comparison.peers import HERE, PEERS, choose, requirement_of
from service.benchmark.http_load import Target


def test_every_server_has_its_file_and_its_requirement() -> None:
    for peer in PEERS[1:]:
        assert (HERE / "servers" / f"{peer.name}_server.py").is_file()
        assert peer.package is None or "<" in requirement_of(peer.package)


def test_an_unknown_server_is_named() -> None:
    assert [peer.name for peer in choose("mosec,fastapi")] == ["mosec", "fastapi"]
    with pytest.raises(ValueError, match="there is no server 'nginx'; choose from singleshot, fastapi,"):
        choose("nginx")


@pytest.mark.parametrize("name", [peer.name for peer in PEERS])
def test_a_request_s_content_length_is_that_of_its_body(name: str) -> None:
    (peer,) = choose(name)
    request = peer.request(Target("127.0.0.1", 80, peer.path), b"\r\n\r\nimage", {"X": "1"})
    head, _, body = request.partition(b"\r\n\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
    assert b"X: 1" in head
    assert b"image" in body


def test_the_settings_of_a_server_have_different_names_and_reach_its_environment() -> None:
    for peer in PEERS:
        assert len({setting.name for setting in peer.settings}) == len(peer.settings) > 0
    (ray,) = choose("ray")
    configured = ray.configured(ray.settings[1])
    assert configured.settings == ray.settings[1:2]
    assert configured.environment == {**ray.environment, "COMPARISON_MAX_BATCH": "1"}
