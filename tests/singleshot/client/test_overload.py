"""Both clients against a server that is overloaded, restarts, breaks connections or answers nonsense."""

import ssl
from pathlib import Path

import pytest

from singleshot import BusyError, DeadlineError, DetectError, UnreachableError
from tests.service.certificates import write_pair
from tests.singleshot.client.awaited import AnyClient
from tests.singleshot.client.scripted_server import (
    GOOD,
    RESULT,
    Reply,
    ScriptedServer,
    answer,
    busy,
    hang_up,
    reset,
    truncated,
)

PICTURE = b"\xff\xd8 a picture"

PASSING: dict[str, Reply] = {
    "busy in milliseconds": busy(retry_after="9", retry_after_ms="5"),
    "busy in seconds": busy(retry_after="0"),
    "busy": busy(),
    "too often": answer(429, {"title": "Too Many Requests", "detail": "wait"}, retry_after_ms="5"),
    "proxy without a server": answer(502, b"<h1>Bad Gateway</h1>"),
    "reset": reset,
    "closed": hang_up,
    "cut short": truncated,
    "nonsense": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
}


@pytest.mark.parametrize("reply", PASSING.values(), ids=PASSING.keys())
def test_what_passes_is_tried_again(kind: AnyClient, scripted: ScriptedServer, reply: Reply) -> None:
    scripted.play(reply, reply, GOOD)
    with kind(scripted.url) as client:
        assert client.detect(PICTURE).labels == ["red"]
    assert [body for _, body in scripted.requests] == [PICTURE] * 3


FINAL: dict[str, tuple[Reply, str]] = {
    "bad request": (answer(400, {"title": "Bad Request", "detail": "empty"}), "^400 Bad Request: empty$"),
    "no key": (answer(401, {"title": "Unauthorized", "detail": "a key"}, x_request_id="7"), "a key .request 7.$"),
    "too large for a proxy": (answer(413, b"<h1>Too Large</h1>"), "^413: <h1>Too Large</h1>$"),
    "failed": (answer(500, {"title": "Internal Server Error", "detail": "the engine failed"}), "the engine failed"),
    "empty": (answer(404), "^404: the answer is empty$"),
    "redirect": (answer(308, location="https://other/detect"), "redirects to https://other/detect; give the client"),
    "no JSON": (answer(200, b"<html>"), "the answer is no JSON: .*; is it a Singleshot server?"),
    "other JSON": (answer(200, {"ok": True}), "the answer holds no detections; is it a Singleshot server?"),
    "no result": (answer(200, {**RESULT, "results": []}), "the answer holds no detections"),
    "endless nesting": (answer(200, b"[" * 100_000), "the answer is no JSON"),
}


@pytest.mark.parametrize(("reply", "message"), FINAL.values(), ids=FINAL.keys())
def test_what_no_other_try_would_change_is_an_error_at_once(
    kind: AnyClient, scripted: ScriptedServer, reply: Reply, message: str
) -> None:
    scripted.play(reply, GOOD)
    with kind(scripted.url) as client, pytest.raises(DetectError, match=message) as raised:
        client.detect(PICTURE)
    assert type(raised.value) is DetectError
    assert len(scripted.requests) == 1


def test_a_server_that_stays_busy_is_an_error_in_its_own_words(kind: AnyClient, scripted: ScriptedServer) -> None:
    scripted.play(busy(retry_after_ms="20"), busy(retry_after="3600"))
    with kind(scripted.url) as client, pytest.raises(BusyError, match="the server is busy") as raised:
        client.detect(PICTURE)
    assert raised.value.status == 503
    assert len(scripted.requests) == 2


def test_a_wait_beyond_the_timeout_is_not_begun(kind: AnyClient, scripted: ScriptedServer) -> None:
    scripted.play(busy(retry_after="3600"))
    with kind(scripted.url) as client, pytest.raises(BusyError):
        client.detect(PICTURE)
    assert len(scripted.requests) == 1


def test_the_server_s_own_deadline_is_not_tried_again(kind: AnyClient, scripted: ScriptedServer) -> None:
    scripted.play(answer(504, {"title": "Gateway Timeout", "detail": "too late"}), GOOD)
    with kind(scripted.url) as client, pytest.raises(DeadlineError, match="504 Gateway Timeout: too late"):
        client.detect(PICTURE)


@pytest.mark.parametrize("reply", ["hang", "drip"])
def test_an_answer_that_does_not_end_in_time_is_an_error(kind: AnyClient, scripted: ScriptedServer, reply: str) -> None:
    scripted.play(getattr(scripted, reply))
    with kind(scripted.url) as client, pytest.raises(DeadlineError, match=r"gave no answer within 0\.5 s"):
        client.detect(PICTURE, timeout=0.5)


def test_a_client_is_usable_after_answers_that_never_came(kind: AnyClient, scripted: ScriptedServer) -> None:
    scripted.play(*[scripted.hang] * 6, GOOD)
    with kind(scripted.url) as client:
        errors = list(client.detect_many([PICTURE] * 6, concurrency=3, return_exceptions=True, timeout=0.5))
        assert [type(error) for error in errors] == [DeadlineError] * 6
        assert client.detect(PICTURE).labels == ["red"]


def test_an_upload_that_does_not_end_in_time_is_an_error(kind: AnyClient, scripted: ScriptedServer) -> None:
    """The server reads nothing of the body."""
    scripted.play(scripted.hang)
    with kind(scripted.url) as client, pytest.raises(DeadlineError):
        client.detect(bytes(50_000_000), timeout=0.5)


def test_a_connection_that_always_breaks_is_an_error_before_a_long_timeout(
    kind: AnyClient, scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("singleshot.client.exchange.UNREACHABLE_SECONDS", 0.3)
    scripted.play(reset)
    with kind(scripted.url) as client, pytest.raises(UnreachableError, match="Connection reset by peer"):
        client.detect(PICTURE)


def test_only_a_timeout_that_the_caller_gives_is_sent(kind: AnyClient, scripted: ScriptedServer) -> None:
    with kind(scripted.url) as plain, kind(scripted.url, timeout=20) as patient:
        plain.detect(PICTURE)
        plain.detect(PICTURE, timeout=3)
        patient.detect(PICTURE)
        patient.detect(PICTURE, timeout=7200)
    heads = [head.lower() for head, _ in scripted.requests]
    sent = [int(head.partition("x-request-timeout-ms: ")[2].partition("\n")[0] or 0) for head in heads]
    assert sent[0] == 0
    assert 2000 < sent[1] <= 3000
    assert 19_000 < sent[2] <= 20_000
    assert sent[3] == 600_000  # the most that a server takes


def test_each_try_has_the_time_that_is_left(kind: AnyClient, scripted: ScriptedServer) -> None:
    scripted.play(busy(retry_after_ms="100"), GOOD)
    with kind(scripted.url, timeout=5) as client:
        client.detect(PICTURE)
    first, second = (
        int(head.lower().partition("x-request-timeout-ms: ")[2].split()[0]) for head, _ in scripted.requests
    )
    assert second <= first - 100


def test_the_key_and_further_headers_are_sent(kind: AnyClient, scripted: ScriptedServer) -> None:
    with kind(scripted.url, api_key="secret", headers={"X-Team": "cells"}) as client:
        client.detect(PICTURE)
    head = scripted.requests[0][0].lower().splitlines()
    assert {"authorization: bearer secret", "x-team: cells"} <= set(head)


def test_the_path_of_the_address_comes_before_the_server_s(kind: AnyClient, scripted: ScriptedServer) -> None:
    with kind(f"{scripted.url}/cells/") as client:
        client.detect(PICTURE, classes=["a b", "c,d"], score_threshold=0.5)
    assert scripted.requests[0][0].startswith(
        "POST /cells/detect?classes=a+b&classes=c%2Cd&score_threshold=0.5 HTTP/1.1"
    )


def test_connections_are_used_again(kind: AnyClient, scripted: ScriptedServer) -> None:
    with kind(scripted.url) as client:
        assert len(list(client.detect_many([PICTURE] * 20, concurrency=1))) == 20
    assert scripted.num_connections == 1


def test_nothing_is_lost_while_the_server_breaks_connections(kind: AnyClient, scripted: ScriptedServer) -> None:
    replies: list[Reply] = [GOOD, reset, busy(retry_after_ms="3"), hang_up, GOOD]
    scripted.play(*replies * 4)
    with kind(scripted.url) as client:
        results = list(client.detect_many([PICTURE] * 8, concurrency=4))
    assert len(results) == 8


def test_closing_a_stream_ends_the_waits_for_a_busy_server(kind: AnyClient, scripted: ScriptedServer) -> None:
    scripted.play(GOOD, busy(retry_after="3600"))
    with kind(scripted.url, timeout=7200) as client:
        results = client.detect_many([PICTURE] * 5, concurrency=1)
        assert next(results)
        results.close()  # type: ignore[attr-defined]


def test_a_large_picture_arrives_whole(kind: AnyClient, scripted: ScriptedServer) -> None:
    picture = bytes(range(256)) * 4000
    scripted.play(reset, GOOD)
    with kind(scripted.url) as client:
        client.detect(picture)
    assert [body for _, body in scripted.requests] == [picture] * 2


def test_a_refusal_before_the_end_of_the_upload_is_read(kind: AnyClient) -> None:
    """As this server does at overload: it answers from the head and closes the connection."""
    with ScriptedServer.running(reads_bodies=False) as hasty, kind(hasty.url) as client:
        hasty.play(answer(413, {"title": "Content Too Large", "detail": "32 MiB at most"}, connection="close"))
        with pytest.raises(DetectError, match="32 MiB at most"):
            client.detect(bytes(1_000_000))


def test_a_unix_socket_is_an_address(kind: AnyClient, tmp_path: Path) -> None:
    with ScriptedServer.running(tmp_path / "server.sock") as scripted, kind(scripted.url) as client:
        assert client.detect(PICTURE).labels == ["red"]
        assert scripted.url.startswith("unix:///")


def test_the_certificate_of_the_server_is_checked(kind: AnyClient, tmp_path: Path) -> None:
    pair = write_pair(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*pair)
    with ScriptedServer.running(tls=context) as scripted:
        with kind(scripted.url) as client, pytest.raises(UnreachableError, match="If you trust its certificate, give"):
            client.detect(PICTURE)
        assert scripted.num_connections == 1
        for verify in (str(pair.certificate), ssl.create_default_context(cafile=pair.certificate), False):
            with kind(scripted.url, verify=verify) as client:
                assert client.detect(PICTURE).labels == ["red"]
