"""The figures of answers after their deadline, and of clients that are refused and ask again."""

import pytest

from comparison.overload import figures_of, lateness_by_status
from comparison.retries import Retry, told_seconds
from tests.comparison.samples import samples


@pytest.mark.parametrize(
    ("head", "seconds"),
    [
        (b"http/1.1 503 busy\r\nretry-after: 1\r\nretry-after-ms: 35", 0.035),
        (b"http/1.1 503 busy\r\nretry-after: 2\r\nserver: a", 2.0),
        (b"http/1.1 503 busy\r\nserver: a", None),
    ],
)
def test_the_wait_is_that_of_the_most_exact_header(head: bytes, seconds: float | None) -> None:
    assert told_seconds(head) == seconds


def test_a_retry_is_judged_by_the_wait_of_the_first_refusal() -> None:
    found = figures_of([Retry(0.1, True, 0.11), Retry(0.1, False, 0.3), Retry(0.1, False, None), Retry(0.1, True, 0.1)])
    assert found["refused_at_first"] == 4
    assert found["accepted_when_told_share"] == 0.5
    assert found["accepted_at_last_share"] == 0.75
    assert found["waited_by_told_median"] == pytest.approx(1.1)
    assert figures_of([])["accepted_when_told_share"] is None


def test_lateness_is_that_of_the_latest_answer_with_a_status() -> None:
    found = lateness_by_status(samples([0.1, 0.3, 0.26, 9.0], [200, 200, 504, 0]))
    assert found == {"200": pytest.approx(50), "504": pytest.approx(10)}
