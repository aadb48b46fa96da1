"""The head of a plain request, read without the HTTP parser.

The parser calls Python for each of its parts, which costs more than all other work on a refusal. A head that leaves any
doubt is left to the parser.
"""

import re
from dataclasses import dataclass

HEAD = re.compile(rb"POST (/[!-~]*) HTTP/1\.1\r\n((?:[A-Za-z0-9-]+:[\t -~]*\r\n){1,64})\r\n")
FRAMING = frozenset(  # headers that the parser understands
    {b"transfer-encoding", b"expect", b"upgrade", b"connection", b"proxy-connection"}
)
MAX_LENGTH_DIGITS = 12


@dataclass(frozen=True)
class PlainHead:
    """The head of a POST request whose body has `num_body_bytes`; the names of the headers are in lower case."""

    url: bytes
    headers: list[tuple[bytes, bytes]]
    num_bytes: int
    num_body_bytes: int


def read_plain_head(data: bytes) -> PlainHead | None:
    """The head that `data` begins with; None if it is not complete, or not plain."""
    found = HEAD.match(data)
    if found is None:
        return None
    lines = [line.partition(b":") for line in found[2].split(b"\r\n")[:-1]]
    headers = [(name.lower(), value.strip(b" \t")) for name, _, value in lines]
    names = [name for name, _ in headers]
    if names.count(b"content-length") != 1 or not FRAMING.isdisjoint(names):
        return None
    length = headers[names.index(b"content-length")][1]
    if not length.isdigit() or len(length) > MAX_LENGTH_DIGITS:
        return None
    return PlainHead(found[1], headers, found.end(), int(length))
