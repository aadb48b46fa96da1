"""The command: it finds the knee, measures a real server and rejects bad options."""

import json
from pathlib import Path

import numpy as np
import pytest

from service.api.app import create_app
from service.benchmark.__main__ import find_knee, main
from service.benchmark.http_load import Samples
from service.benchmark.report import Run, run_of
from service.bundle import Bundle
from tests.service.live_server import live_server
from tests.service.rpc.live import live_servers
from tests.service.served_app import GOLDEN, settings


def figures(rate: float, share: float) -> Run:
    """A run at `rate` in which a `share` of the requests is answered in time, and the rest is rejected."""
    at_once = np.zeros(100)
    status = np.array([200] * round(100 * share) + [503] * round(100 - 100 * share))
    samples = Samples(intended=at_once, sent=at_once, done=at_once, status=status)
    return run_of(samples, rate, 1, 0.25, {}, {})


@pytest.mark.parametrize("capacity", [10.5, 37.0, 55.0])
def test_the_knee_is_the_highest_rate_that_meets_the_objective(capacity: float) -> None:
    knee = find_knee(lambda rate: figures(rate, 1.0 if rate <= capacity else 0.5), 10)
    assert knee is not None
    assert knee <= capacity < knee * 1.04


def test_there_is_no_knee_if_the_first_rate_is_too_high() -> None:
    assert find_knee(lambda rate: figures(rate, 0.5), 10) is None


def test_a_real_server_is_measured_and_reported(
    tiny_bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "golden.png").write_bytes(GOLDEN)
    report = tmp_path / "report.html"
    with live_server(create_app(settings(tiny_bundle.path))) as address:
        load = ["--rate", "100", "--seconds", "0.3", "--warmup", "0", "--objective-ms", "30000", "--arrivals", "bursts"]
        assert main([f"http://{address}", "--images", str(tmp_path), *load, "--out", str(report)]) == 0
    line = capsys.readouterr().out
    assert "p99" in line
    content = json.loads(report.with_suffix(".json").read_text())
    (run,) = content["runs"]
    assert run["statuses"].keys() == {"200"}
    assert run["goodput_share"] == 1
    assert run["mean_batch"] >= 1
    assert run["cpu_ms_a_request"] > 0
    page = report.read_text()
    assert page.count("<svg") == 2
    assert "http" not in page.replace(f"http://{address}", "")


def test_an_address_without_a_server_is_status_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "golden.png").write_bytes(GOLDEN)
    address = "http://127.0.0.1:9"
    load = ["--rate", "100", "--seconds", "0.1", "--warmup", "0", "--arrivals", "bursts"]
    assert main([address, "--images", str(tmp_path), *load]) == 1
    printed = capsys.readouterr()
    assert "p50     nan" in printed.out
    assert f"{address}: not one request was answered; is the server running there?" in printed.err


def test_a_server_of_grpc_is_measured(tiny_bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("grpc")
    (tmp_path / "golden.png").write_bytes(GOLDEN)
    report = tmp_path / "report.html"
    with live_servers(create_app(settings(tiny_bundle.path, grpc_port=0))) as live:
        load = ["--rate", "100", "--seconds", "0.3", "--warmup", "0", "--objective-ms", "30000"]
        urls = [f"grpc://{live.address}", "--metrics", f"http://{live.http_address}/metrics"]
        assert main([*urls, "--images", str(tmp_path), *load, "--out", str(report)]) == 0
        assert main([f"grpc://{live.address}/other", "--images", str(tmp_path), *load]) == 0
    (run,) = json.loads(report.with_suffix(".json").read_text())["runs"]
    assert run["statuses"].keys() == {"200"}
    assert run["cpu_ms_a_request"] > 0
    assert "404" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["https://a", "--images", ".", "--rate", "1"], "should look like http://"),
        (["http://a", "--images", "nowhere", "--rate", "1"], "nowhere"),
        (["http://a", "--images", "EMPTY", "--rate", "1"], "no image in it"),
        (["http://a", "--images", "EMPTY", "--rate", "0"], "more than 0"),
    ],
)
def test_a_bad_option_is_one_sentence_and_status_1(
    arguments: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path) if part == "EMPTY" else part for part in arguments]) == 1
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1
