"""The server's own numbers, live: the text of /metrics is read as Prometheus reads it, and drawn while one looks."""

import math
import re

import httpx
import pytest
from playwright.sync_api import Page, Route, expect
from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from tests.service.page.accessibility import assert_accessible
from tests.service.page.opening import Opener
from tests.service.page.visitor import GOLDEN

PARSE = """async (text) => {
    const { parseMetrics } = await import(new URL("page/numbers/metrics_text.js", document.baseURI));
    return [...parseMetrics(text)].map(([name, series]) =>
        [name, series.map(({ labels, value }) => [labels, String(value)])]);
}"""
QUANTILE = """async ([buckets, quantile]) => {
    const { quantileOf } = await import(new URL("page/numbers/quantile.js", document.baseURI));
    return quantileOf(buckets.map(([bound, count]) => ({ bound: bound ?? Infinity, count })), quantile);
}"""


def test_the_text_of_the_metrics_is_read_as_prometheus_reads_it(page: Page, server: str) -> None:
    registry = CollectorRegistry()
    odd = Gauge("odd", 'A "gauge" with \\ and {braces}', ["text"], registry=registry)
    values = ["", "plain", 'a "quoted" one', "back\\slash\\n", "two\nlines", "a}b{c,d=e", "# no comment"]
    for text, value in zip(values, [1, -2.5, math.inf, -math.inf, math.nan, 3e-9, 4e12], strict=True):
        odd.labels(text).set(value)
    httpx.post(f"http://{server}/detect", content=GOLDEN)
    for text in (generate_latest(registry).decode(), httpx.get(f"http://{server}/metrics").text):
        ours = {
            (name, frozenset(labels.items())): float(value.replace("Infinity", "inf"))
            for name, series in page.evaluate(PARSE, text)
            for labels, value in series
        }
        theirs = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }
        assert ours.keys() == theirs.keys()
        assert list(ours.values()) == pytest.approx([theirs[key] for key in ours], nan_ok=True)


def test_quantiles_are_interpolated_between_the_bounds(page: Page) -> None:
    cases: list[tuple[list[list[int | None]], float, float | None]] = [
        ([[1, 10], [2, 20], [None, 20]], 0.5, 1.0),
        ([[1, 10], [2, 20], [None, 20]], 0.95, 1.9),  # nine tenths of the way from 1 to 2
        ([[1, 10], [2, 10], [None, 10]], 0.5, 0.5),
        ([[1, 0], [2, 0], [None, 7]], 0.5, 2),  # all above the last bound
        ([[1, 0], [2, 0], [None, 0]], 0.5, None),
        ([], 0.5, None),
    ]
    for buckets, quantile, value in cases:
        assert page.evaluate(QUANTILE, [buckets, quantile]) == (value and pytest.approx(value))


@pytest.fixture
def numbers(open_page: Opener) -> Page:
    """The page of a phone, whose clock the test moves on."""
    page = open_page(360, scheme="dark", is_loaded=False)
    page.clock.install()
    page.goto("")
    return page


def test_the_numbers_are_drawn_while_the_dialog_is_open(numbers: Page, server: str) -> None:
    polls: list[str] = []
    numbers.on("request", lambda request: polls.append(request.url) if request.url.endswith("/metrics") else None)
    with numbers.expect_response("**/metrics"):
        numbers.locator("#numbers-open").press("Enter")
    for _ in range(3):
        assert httpx.post(f"http://{server}/detect?model=tiny", content=GOLDEN).status_code == 200
    assert httpx.post(f"http://{server}/detect?model=tiny", content=b"no picture").status_code == 415
    dialog = numbers.locator("#numbers-dialog")
    with numbers.expect_response("**/metrics"):
        numbers.clock.run_for(2000)
    expect(dialog).to_contain_text(re.compile(r"In time \d"))
    expect(dialog).to_contain_text(re.compile(r"Client's error \d"))
    expect(dialog).to_contain_text("0 of 512 images")
    expect(dialog.locator("tbody tr").first).to_contain_text("Receive")
    filled = "(bar) => bar.lastChild.getBoundingClientRect().right / bar.getBoundingClientRect().right"
    assert dialog.locator(".stage-bar").last.evaluate(filled) == pytest.approx(1, abs=0.01)
    expect(dialog).to_contain_text("tiny, version 1: onnx cpu, fp32")
    dialog.locator("summary").click()
    expect(dialog.get_by_role("region").locator("tbody tr")).to_have_count(1)
    assert_accessible(numbers, "#numbers-dialog")
    assert dialog.evaluate("({scrollWidth, clientWidth}) => scrollWidth - clientWidth") == 0
    numbers.keyboard.press("Escape")
    expect(numbers.locator("#numbers-open")).to_be_focused()
    count = len(polls)
    numbers.clock.run_for(60_000)
    assert len(polls) == count


def test_a_server_that_gives_no_numbers_is_named_in_a_sentence(page: Page) -> None:
    sentences = {
        401: "The numbers need a key that this page has not.",
        404: "There are no numbers at this address.",
        503: "The server cannot answer now. It is asked again in 4 s.",
    }
    statuses = iter(sentences)

    def refuse(route: Route) -> None:
        status = next(statuses)
        route.fulfill(status=status, json={"status": status, "detail": "no"})

    page.route("**/metrics", refuse)
    for sentence in sentences.values():
        page.locator("#numbers-open").click()
        expect(page.locator("#numbers-dialog [role=status]")).to_have_text(sentence)
        page.keyboard.press("Escape")
