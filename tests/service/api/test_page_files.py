"""The files of the web page, and the example image of each model."""

import re

import pytest

from tests.asgi_client import AsgiClient
from tests.service.served_app import problem


def test_the_page_and_the_documentation_are_served(client: AsgiClient) -> None:
    page = client.get("/")
    assert page.headers["content-type"].startswith("text/html")
    assert not re.search(r"(src|<link[^>]* href)=.?https?:", page.text)  # it works without a network
    assert client.get("/docs").status_code == 200


def test_every_file_of_the_page_is_served_and_allowed_by_its_policy(client: AsgiClient) -> None:
    page = client.get("/")
    assert "script-src 'self';" in page.headers["content-security-policy"]
    assert not re.search(r"<style|<script>|\s(style|on\w+)=", page.text)
    names = re.findall(r'(?:src|href)="(page/[^"]+)"', page.text)
    assert names
    for name in names:
        assert client.get(f"/{name}").status_code == 200, name


def test_an_unchanged_page_is_not_sent_again(client: AsgiClient) -> None:
    etag = client.get("/").headers["etag"]
    again = client.get("/", headers={"If-None-Match": etag})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("value", ["bytes=5-1", "bytes=0-" + "9" * 5000, "bytes=0-1," * 1000 + "2-3", "lines=1-2"])
def test_a_range_is_ignored(client: AsgiClient, value: str) -> None:
    response = client.get("/", headers={"Range": value})
    assert (response.status_code, response.headers["accept-ranges"]) == (200, "none")
    assert response.content == client.get("/").content


@pytest.mark.parametrize("name", ["nothing.js", "..%2fsettings.py", "%2e%2e"])
def test_a_file_outside_the_page_is_a_404(client: AsgiClient, name: str) -> None:
    problem(client.get(f"/page/{name}"), 404)


def test_each_model_has_its_golden_image_as_an_example(client: AsgiClient) -> None:
    example = client.get("/models/tiny/golden")
    assert example.headers["content-type"] == "image/png"
    assert example.content.startswith(b"\x89PNG")
    assert "tiny" in problem(client.get("/models/other/golden"), 404)
