"""The files of the web page, and the example image of each model."""

import re
from pathlib import Path

import httpx
import numpy as np
import pytest

from service.api.app import create_app
from service.api.packed_file import pack, takes_gzip
from service.api.page_modules import modules_of
from service.card import Card
from tests.asgi_client import AsgiClient
from tests.service.served_app import problem, settings
from tests.tiny_bundle import EXAMPLE, write_tiny_bundle


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


@pytest.mark.parametrize("path", ["/", "/page/app.js", "/docs"])
def test_an_unchanged_file_is_not_sent_again(client: AsgiClient, path: str) -> None:
    for coding in ("gzip", "identity"):
        first = client.get(path, headers={"Accept-Encoding": coding})
        for named in (first.headers["etag"], f'"other", W/{first.headers["etag"]}', "*"):
            again = client.get(path, headers={"Accept-Encoding": coding, "If-None-Match": named})
            assert (again.status_code, again.content) == (304, b"")
            assert [again.headers[name] for name in ("etag", "vary", "cache-control")] == [
                first.headers[name] for name in ("etag", "vary", "cache-control")
            ]
        assert client.get(path, headers={"Accept-Encoding": coding, "If-None-Match": '"other"'}).status_code == 200


@pytest.mark.parametrize("path", ["/", "/page/app.js", "/page/style/base.css", "/page/icon.svg"])
def test_a_file_is_compressed_for_those_who_can_read_it(client: AsgiClient, path: str) -> None:
    plain = client.get(path, headers={"Accept-Encoding": "identity"})
    packed = client.get(path, headers={"Accept-Encoding": "br, gzip"})
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.content == plain.content  # httpx decompresses it
    assert int(packed.headers["content-length"]) < int(plain.headers["content-length"]) == len(plain.content)
    assert plain.headers["vary"] == packed.headers["vary"] == "Accept-Encoding"
    assert plain.headers["etag"] != packed.headers["etag"]


def test_what_gzip_makes_no_smaller_is_not_compressed() -> None:
    noise = np.random.default_rng(0).bytes(2000)
    packed = pack(noise, "image/jpeg")
    assert (packed.is_compressed, packed.content) == (False, noise)


@pytest.mark.parametrize("coding", ["gzip", "identity"])
@pytest.mark.parametrize("path", ["/", "/page/app.js", "/docs", "/docs/start.js"])
def test_head_has_the_headers_of_get_and_no_body(client: AsgiClient, path: str, coding: str) -> None:
    get = client.get(path, headers={"Accept-Encoding": coding})
    head = client.request("HEAD", path, headers={"Accept-Encoding": coding})
    assert (head.status_code, head.content) == (200, b"")
    assert without_request_id(head.headers) == without_request_id(get.headers)


def without_request_id(headers: httpx.Headers) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name not in ("x-request-id", "server-timing")}


@pytest.mark.parametrize(
    ("accepted", "is_taken"),
    [
        ("", False),
        ("identity", False),
        ("gzip", True),
        ("GZIP", True),
        ("deflate, gzip;q=1.0, *;q=0.5", True),
        ("gzip;q=0", False),
        ("gzip; q=0.000", False),
        ("*", True),
        ("*;q=0", False),
        ("gzip;q=0, *", False),
        ("br, x-gzip", True),
        ("gzip;q=1.2.3", False),
        ("notgzip, gzipped", False),
        ("gzip;q=" * 10_000, False),
    ],
)
def test_gzip_is_sent_only_to_clients_that_say_so(accepted: str, is_taken: bool) -> None:
    assert takes_gzip(accepted) is is_taken


def test_all_modules_of_the_first_drawing_are_linked_and_no_other(client: AsgiClient) -> None:
    linked = re.findall(r'<link rel="modulepreload" href="page/([^"]+)">', client.get("/").text)
    assert "page.js" in linked
    assert "detections/soft_nms.js" in linked  # imported by a module that another one imports
    assert len(linked) == len(set(linked))
    assert "app.js" not in linked  # the page's script itself


def test_a_module_that_is_loaded_later_is_not_linked(tmp_path: Path) -> None:
    (tmp_path / "room").mkdir()
    (tmp_path / "app.js").write_text('import {\n  one,\n} from "./one.js";\nimport "./room/two.js";\n')
    (tmp_path / "one.js").write_text(
        'export { two } from "./room/two.js";\nconst later = () => import("./later.js");\n'
    )
    (tmp_path / "room" / "two.js").write_text(
        '// import { a } from "./a.js"\nimport "../one.js";\nimport "./gone.js";\n'
    )
    for name in ("later.js", "room/a.js"):
        (tmp_path / name).touch()
    assert modules_of(tmp_path, "app.js") == ["one.js", "room/two.js"]


@pytest.mark.parametrize("value", ["bytes=5-1", "bytes=0-" + "9" * 5000, "bytes=0-1," * 1000 + "2-3", "lines=1-2"])
def test_a_range_is_ignored(client: AsgiClient, value: str) -> None:
    response = client.get("/", headers={"Range": value})
    assert (response.status_code, response.headers["accept-ranges"]) == (200, "none")
    assert response.content == client.get("/").content


@pytest.mark.parametrize(
    "name", ["nothing.js", "..%2fsettings.py", "%2e%2e", "style", "%00", "app.js%00", "", 300 * "a" + ".js"]
)
def test_a_file_outside_the_page_is_a_404(client: AsgiClient, name: str) -> None:
    problem(client.get(f"/page/{name}"), 404)


def test_each_model_has_its_golden_image_as_an_example(client: AsgiClient) -> None:
    example = client.get("/models/tiny/golden")
    assert example.headers["content-type"] == "image/png"
    assert example.content.startswith(b"\x89PNG")
    assert "tiny" in problem(client.get("/models/other/golden"), 404)


def test_the_example_pictures_of_a_card_are_served_by_their_numbers(tmp_path: Path) -> None:
    card = Card(description="Finds red and green blocks.", examples=(EXAMPLE,))
    bundle = write_tiny_bundle(tmp_path / "tiny", card=card)
    with AsgiClient(create_app(settings(bundle.path))) as client:
        (listed,) = client.get("/models").json()["models"]
        assert listed["card"]["description"] == "Finds red and green blocks."
        assert (listed["card"]["licence"], listed["int8"]) == (None, None)
        example = client.get("/models/tiny/examples/1?version=1")
        assert example.headers["content-type"] == "image/png"
        assert example.content == bundle.golden_path.read_bytes()
        for place in ("tiny/examples/0", "tiny/examples/2", "other/examples/1", "tiny/examples/1?version=2"):
            problem(client.get(f"/models/{place}"), 404)
