"""The load generator: its arrivals, its client, its figures and its reports."""

import asyncio
import json
from pathlib import Path

import numpy as np
import pytest

from service.api.app import create_app
from service.benchmark.__main__ import find_knee, main
from service.benchmark.arrivals import arrival_times
from service.benchmark.http_load import LOST, Samples, Target, send_load
from service.benchmark.report import Run, batch_sizes_of, read_metrics, run_of, to_html
from service.bundle import Bundle
from tests.service.live_server import live_server
from tests.service.served_app import GOLDEN, settings


def test_poisson_arrivals_have_their_rate_and_independent_gaps() -> None:
    times = arrival_times("poisson", 200, 50, burst=1, seed=0)
    gaps = np.diff(times)
    assert len(times) == pytest.approx(10_000, rel=0.05)
    assert (gaps >= 0).all()
    assert times[-1] < 50
    assert gaps.std() == pytest.approx(gaps.mean(), rel=0.05)


def test_bursts_have_the_same_rate_but_come_at_once() -> None:
    times = arrival_times("bursts", 200, 50, burst=8, seed=0)
    assert len(times) == pytest.approx(10_000, rel=0.1)
    assert len(np.unique(times)) == len(times) / 8


def test_latency_counts_from_the_intended_time() -> None:
    samples = Samples(np.array([0.0, 1.0]), np.array([0.5, 1.0]), np.array([0.6, 1.1]), np.array([200, 200]))
    assert samples.latency.tolist() == pytest.approx([0.6, 0.1])


def test_the_figures_are_those_of_the_samples() -> None:
    intended = np.zeros(5)
    samples = Samples(
        intended, intended + 0.001, np.array([0.1, 0.2, 0.3, 0.01, np.nan]), np.array([200, 200, 200, 503, LOST])
    )
    before = {"process_cpu_seconds_total": 1.0}
    after = {
        "process_cpu_seconds_total": 1.3,
        'singleshot_batch_size_count{model="a"}': 2.0,
        'singleshot_batch_size_sum{model="a"}': 3.0,
    }
    run = run_of(samples, 2.5, 2.0, 0.25, before, after)
    assert (run.num_offered, run.throughput, run.goodput, run.goodput_share) == (5, 1.5, 1.0, 0.4)
    assert (run.p50_ms, run.max_ms, run.send_delay_p99_ms) == pytest.approx((200, 300, 1))
    assert run.statuses == {"lost": 1, "200": 3, "503": 1}
    assert run.mean_batch == 1.5
    assert run.cpu_ms_a_request == pytest.approx(100)


def test_a_run_without_answers_has_figures_too() -> None:
    nothing = np.zeros(0)
    run = run_of(Samples(nothing, nothing, nothing, nothing.astype(np.int64)), 1, 1, 0.25, {}, {})
    assert (run.throughput, run.goodput_share, run.mean_batch) == (0, 0, None)
    assert "nan" not in to_html("nothing", 0.25, [run], None)


def test_batch_sizes_come_out_of_the_cumulative_buckets() -> None:
    text = """# TYPE singleshot_batch_size histogram
singleshot_batch_size_bucket{le="1.0",model="a"} 3.0
singleshot_batch_size_bucket{le="2.0",model="a"} 3.0
singleshot_batch_size_bucket{le="4.0",model="a"} 5.0
singleshot_batch_size_bucket{le="1.0",model="b"} 1.0
singleshot_batch_size_bucket{le="2.0",model="b"} 1.0
singleshot_batch_size_bucket{le="4.0",model="b"} 1.0
"""
    assert batch_sizes_of(read_metrics(text)) == {"1": 4, "4": 2}


def figures(rate: float, share: float) -> Run:
    samples = Samples(*[np.zeros(100)] * 3, np.array([200] * round(100 * share) + [503] * round(100 - 100 * share)))
    return run_of(samples, rate, 1, 0.25, {}, {})


@pytest.mark.parametrize("capacity", [10.5, 37.0, 55.0])
def test_the_knee_is_where_the_objective_is_just_met(capacity: float) -> None:
    knee = find_knee(lambda rate: figures(rate, 1.0 if rate <= capacity else 0.5), 10)
    assert knee is not None
    assert knee <= capacity < knee * 1.04


def test_there_is_no_knee_where_the_first_rate_is_too_high() -> None:
    assert find_knee(lambda rate: figures(rate, 0.5), 10) is None


def test_a_server_that_is_not_there_loses_everything() -> None:
    samples = asyncio.run(send_load(Target("127.0.0.1", 1, "/"), [b""], np.zeros(3)))
    assert samples.status.tolist() == [LOST] * 3


def test_a_real_server_is_measured_and_reported(
    tiny_bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "golden.png").write_bytes(GOLDEN)
    report = tmp_path / "report.html"
    with live_server(create_app(settings(tiny_bundle.path))) as address:
        options = [
            "--images",
            str(tmp_path),
            "--rate",
            "100",
            "--seconds",
            "0.3",
            "--warmup",
            "0",
            "--out",
            str(report),
        ]
        assert main([f"http://{address}", *options, "--objective-ms", "30000", "--arrivals", "bursts"]) == 0
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


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["https://a", "--images", ".", "--rate", "1"], "should look like http://"),
        (["http://a", "--images", "nowhere", "--rate", "1"], "nowhere"),
        (["http://a", "--images", "EMPTY", "--rate", "1"], "no image in it"),
        (["http://a", "--images", "EMPTY", "--rate", "0"], "more than 0"),
    ],
)
def test_what_cannot_be_measured_is_one_sentence(
    arguments: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path) if part == "EMPTY" else part for part in arguments]) == 1
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1
