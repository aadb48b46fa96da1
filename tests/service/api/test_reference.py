"""The reference of the API: its files are those of Swagger UI, and browsers keep them."""

import gzip
import hashlib
import re

import pytest

from service.api.reference import FILES, REFERENCE
from tests.asgi_client import AsgiClient
from tests.service.served_app import problem

# of the package swagger-ui-dist 5.35.0 of the npm registry; a newer one replaces these five files and hashes
SWAGGER_UI = {
    "LICENSE": "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30",
    "NOTICE": "0d20d1adef18aee3f40dd258172155521ce702ac445cb5f7b7d60ed32dad2fb2",
    "swagger-ui-bundle.js": "e6a898692f2d768e807c3ba4626068a69a2c5dd960dd6c76f3e4d3a3de180af2",
    "swagger-ui-bundle.js.LICENSE.txt": "37eb6e7e59aed57b2c1acf076574b818ea07b74265717e0bd67b59e0baf9abbb",
    "swagger-ui.css": "5ed08757e53da3e026d6cbecc61fe5d43585c9560b302d534ad56692519a273d",
}


def test_the_files_of_swagger_ui_are_unchanged() -> None:
    folder = REFERENCE / "swagger-ui"
    assert {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()} == SWAGGER_UI


def test_the_page_loads_only_files_of_this_server_and_no_inline_script(client: AsgiClient) -> None:
    page = client.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert not re.search(r"https?:|<style|<script>|\s(style|on\w+)=", page.text)
    policy = page.headers["content-security-policy"]
    assert "script-src 'self'; style-src 'self'; connect-src 'self'" in policy
    assert "unsafe" not in policy
    links = re.findall(r'(?:src|href)="(docs/[^"]+)"', page.text)
    assert len(links) == len(FILES)
    for link in links:
        file = client.get(f"/{link}")
        assert file.status_code == 200
        assert "immutable" in file.headers["cache-control"]
        assert file.headers["x-content-type-options"] == "nosniff"


def test_the_page_itself_and_old_links_are_asked_for_again(client: AsgiClient) -> None:
    assert client.get("/docs").headers["cache-control"] == "no-cache"
    for query in ("", "?v=0123456789abcdef"):
        assert client.get(f"/docs/start.js{query}").headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("path", sorted(FILES.keys() - {"style.css"}))  # which would not be smaller
def test_a_file_is_compressed_for_those_who_can_read_it(client: AsgiClient, path: str) -> None:
    content = (REFERENCE / path).read_bytes()
    name = path.rpartition("/")[2]
    plain = client.get(f"/docs/{name}", headers={"Accept-Encoding": "identity"})
    assert plain.content == content
    assert "content-encoding" not in plain.headers
    packed = client.get(f"/docs/{name}", headers={"Accept-Encoding": "gzip"})
    assert packed.content == content
    assert int(packed.headers["content-length"]) == len(gzip.compress(content, mtime=0))
    assert plain.headers["vary"] == packed.headers["vary"] == "Accept-Encoding"


@pytest.mark.parametrize("name", ["nothing.js", "LICENSE", "..%2fopenapi.py", "swagger-ui%2fNOTICE", ""])
def test_any_other_file_is_a_404(client: AsgiClient, name: str) -> None:
    problem(client.get(f"/docs/{name}"), 404)
