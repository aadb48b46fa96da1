"""The comparison's own arithmetic and its report; no other server is needed."""

import asyncio
import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from comparison.closed_loop import answers_a_second
from comparison.overload import figures_of, lateness_by_status
from comparison.peers import HERE, PEERS, PeerError, choose, requirement_of
from comparison.processes import MARK, ServerProcesses, started
from comparison.report import Comparison, Row, Standing, draw, overhead_of, row_of, to_json, to_markdown
from comparison.retries import Retry, told_seconds
from service.benchmark.http_load import Samples, Target

NOTHING = urllib.request.Request("http://127.0.0.1:1/")


def samples(latency: list[float], status: list[int]) -> Samples:
    intended = np.arange(len(latency), dtype=np.float64)
    return Samples(intended, intended, intended + np.array(latency), np.array(status))


def row(latency: list[float], status: list[int], cpu_seconds: float = 1.0) -> Row:
    return row_of(
        "a",
        0.6,
        2.0,
        samples(latency, status),
        seconds=4.0,
        objective_seconds=0.25,
        cpu_seconds=cpu_seconds,
    )


def test_only_answers_in_time_are_goodput() -> None:
    found = row([0.1, 0.2, 0.3, 0.1], [200, 200, 200, 503])
    assert (found.goodput, found.goodput_share) == (0.5, 0.5)
    assert found.statuses == {"200": 3, "503": 1}
    assert found.p50_ms == pytest.approx(200)


def test_throughput_counts_until_the_last_answer() -> None:
    assert row([0.1, 0.1, 0.1, 5.0], [200] * 4).throughput == pytest.approx(4 / 8)


def test_cpu_is_shared_among_the_answers() -> None:
    found = row([0.1, 0.1, 0.1, 0.1], [200, 200, 0, 503], cpu_seconds=0.04)
    assert found.cpu_ms_a_request == pytest.approx(20)
    assert overhead_of(comparison([found], {1: 16.0}), found) == pytest.approx(1.25)


def test_a_server_that_answers_nothing_has_no_latency() -> None:
    found = row([1.0], [0])
    assert (found.throughput, found.p99_ms, found.cpu_ms_a_request, found.statuses) == (0.0, None, None, {"lost": 1})
    assert "| – | – |" in to_markdown(comparison([found]))


def comparison(rows: list[Row], loop: dict[int, float] | None = None) -> Comparison:
    return Comparison(
        250.0, 4.0, loop or {1: 10.0}, [Standing("a", 50.0, 0.1, 300.0)], rows, {"b": "not installed: no wheel"}
    )


def test_the_report_names_every_server_and_why_one_is_missing(tmp_path: Path) -> None:
    found = comparison([row([0.1], [200])])
    text = to_markdown(found)
    assert "| a | 50.0 | 0.1 | 300 |" in text
    assert "- b: not installed: no wheel" in text
    assert json.loads(to_json(found))["rows"][0]["server"] == "a"
    draw(found, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


def test_every_server_has_its_file_and_its_requirement() -> None:
    for peer in PEERS[1:]:
        assert (HERE / "servers" / f"{peer.name}_server.py").is_file()
        assert peer.package is None or "<" in requirement_of(peer.package)


def test_an_unknown_server_is_named() -> None:
    assert [peer.name for peer in choose("mosec,fastapi")] == ["mosec", "fastapi"]
    with pytest.raises(ValueError, match="there is no 'nginx'"):
        choose("nginx")


@pytest.mark.parametrize("name", [peer.name for peer in PEERS])
def test_a_request_is_as_long_as_it_says(name: str) -> None:
    (peer,) = choose(name)
    head, _, body = peer.request(Target("127.0.0.1", 80, peer.path), b"\r\n\r\nimage", {"X": "1"}).partition(
        b"\r\n\r\n"
    )
    assert f"Content-Length: {len(body)}".encode() in head
    assert b"X: 1" in head
    assert b"image" in body


def test_a_server_that_ends_at_once_says_its_last_words() -> None:
    command = [sys.executable, "-c", "raise SystemExit('no such model')"]
    with pytest.raises(PeerError, match="no such model"), started(command, {}, NOTHING):
        pass


def test_processes_are_found_by_their_mark_even_without_their_parent() -> None:
    code = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'input()'], stdin=0); print('started', flush=True)"
    parent = subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, MARK: "a-test"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    processes = ServerProcesses("a-test")
    assert parent.stdout is not None
    assert parent.stdin is not None
    assert parent.stdout.readline() == b"started\n"
    parent.wait()
    (orphan,) = [process for process in processes.all() if process.pid != parent.pid]
    assert processes.memory_bytes() > 0
    processes.stop()
    assert not orphan.is_running()
    parent.stdin.close()
    parent.stdout.close()


def answering(status: str) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], "asyncio.Future[None]"]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(1000):
            writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())
        writer.close()

    return answer  # type: ignore[return-value]


@pytest.mark.parametrize(("status", "is_counted"), [("200 OK", True), ("503 Busy", False)])
def test_the_closed_loop_counts_good_answers(status: str, is_counted: bool) -> None:
    async def measure() -> float:
        async with await asyncio.start_server(answering(status), "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            target = Target("127.0.0.1", port, "/")
            return await answers_a_second(target, [target.post(b"", {})], num_connections=2, seconds=1.0)

    assert (asyncio.run(measure()) > 0) is is_counted


@pytest.mark.parametrize(
    ("head", "seconds"),
    [
        (b"http/1.1 503 busy\r\nretry-after: 1\r\nretry-after-ms: 35", 0.035),
        (b"http/1.1 503 busy\r\nretry-after: 2\r\nserver: a", 2.0),
        (b"http/1.1 503 busy\r\nserver: a", None),
    ],
)
def test_the_wait_is_told_by_the_most_exact_header(head: bytes, seconds: float | None) -> None:
    assert told_seconds(head) == seconds


def test_a_retry_is_judged_by_what_it_was_told() -> None:
    found = figures_of([Retry(0.1, True, 0.11), Retry(0.1, False, 0.3), Retry(0.1, False, None), Retry(0.1, True, 0.1)])
    assert (found["refused_at_first"], found["accepted_when_told_share"], found["accepted_at_last_share"]) == (
        4,
        0.5,
        0.75,
    )
    assert found["waited_by_told_median"] == pytest.approx(1.1)
    assert figures_of([])["accepted_when_told_share"] is None


def test_lateness_is_that_of_the_latest_answer_of_a_status() -> None:
    found = lateness_by_status(samples([0.1, 0.3, 0.26, 9.0], [200, 200, 504, 0]))
    assert found == {"200": pytest.approx(50), "504": pytest.approx(10)}
