"""Heads that are read without the HTTP parser: only plain ones, and as the parser reads them."""

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.transport.plain_head import read_plain_head

HEAD = b"POST /detect?nms=hard HTTP/1.1\r\nHost: here\r\nX-Request-Id:  a b \t\r\nContent-Length: 7\r\n\r\n"
HEADERS = [
    b"Host: here",
    b"host:\tthere",
    b"Content-Length: 7",
    b"content-length:8",
    b"Content-Length: +7",
    b"Content-Length: 7, 7",
    b"Content-Length: 0x7",
    b"Content-Length:",
    b"Content-Length : 7",
    b" Content-Length: 9",
    b"Transfer-Encoding: chunked",
    b"Connection: close",
    b"Proxy-Connection: close",
    b"Expect: 100-continue",
    b"Upgrade: h2c",
    b"X-Request-Timeout-Ms: 250",
    b"X-Request-Id:",
    b"X-Name: \xc3\xa9",
    b"X-Control: a\x01b",
    b"X-Bare: a\nContent-Length: 1",
    b"X-Bare: a\rContent-Length: 1",
    b"no colon",
    b": no name",
]
LINES = [b"POST /detect HTTP/1.1", b"POST /a%20b?c=d HTTP/1.1", b"GET / HTTP/1.1", b"POST /detect HTTP/1.0"]


class Parsed:
    """What the HTTP parser finds."""

    def __init__(self, data: bytes) -> None:
        self.url = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.body = b""
        self.num_ends = 0
        parser = httptools.HttpRequestParser(self)
        parser.feed_data(data)
        self.method, self.keeps_alive = parser.get_method(), parser.should_keep_alive()

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value.rstrip(b" \t")))

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.num_ends += 1


def test_a_plain_head_is_read() -> None:
    head = read_plain_head(HEAD + b"1234567")
    assert head is not None
    assert (head.url, head.num_bytes, head.num_body_bytes) == (b"/detect?nms=hard", len(HEAD), 7)
    assert head.headers == [(b"host", b"here"), (b"x-request-id", b"a b"), (b"content-length", b"7")]


@pytest.mark.parametrize("header", [line for line in HEADERS if line not in HEADERS[:4] + HEADERS[15:17]])
def test_a_head_with_an_odd_header_is_left_to_the_parser(header: bytes) -> None:
    assert read_plain_head(HEAD[:-2] + header + b"\r\n\r\n") is None


@pytest.mark.parametrize("size", range(0, len(HEAD), 7))
def test_an_incomplete_head_is_left_to_the_parser(size: int) -> None:
    assert read_plain_head(HEAD[:size]) is None


@given(line=st.sampled_from(LINES), headers=st.lists(st.sampled_from(HEADERS), max_size=5))
def test_a_plain_head_is_what_the_parser_reads(line: bytes, headers: list[bytes]) -> None:
    data = b"\r\n".join([line, *headers, b"", b""])
    head = read_plain_head(data)
    if head is None:
        return
    body = b"x" * head.num_body_bytes
    parsed = Parsed(data + body)
    assert (parsed.method, parsed.url, parsed.headers) == (b"POST", head.url, head.headers)
    assert (parsed.body, parsed.num_ends, parsed.keeps_alive) == (body, 1, True)
    assert head.num_bytes == len(data)
