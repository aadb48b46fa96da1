"""A file that browsers load: compressed once, sent as it is to those that cannot read this, and not sent twice."""

import gzip
import hashlib
import re
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

WORTH = 0.95  # of the plain size; a picture, which is compressed already, stays above it
CODING = re.compile(r"\s*([\w*-]+)\s*(?:;\s*q\s*=\s*([\d.]+)\s*)?")


@dataclass(frozen=True)
class PackedFile:
    """`content` is compressed by gzip if `is_compressed`; `version` is a part of the hash of the plain content."""

    content: bytes
    is_compressed: bool
    version: str
    media_type: str

    def answer(self, request: Request, headers: dict[str, str]) -> Response:
        """Answer GET or HEAD, 304 if the client has the file already; `headers` are added."""
        sends_compressed = self.is_compressed and takes_gzip(request.headers.get("accept-encoding", ""))
        etag = f'"{self.version}-gzip"' if sends_compressed else f'"{self.version}"'  # one for each representation
        headers = {**headers, "ETag": etag}
        if self.is_compressed:
            headers["Vary"] = "Accept-Encoding"
        if names(request.headers.get("if-none-match", ""), etag):
            return Response(status_code=304, headers=headers)
        if sends_compressed:
            headers["Content-Encoding"] = "gzip"
        body = self.content if sends_compressed or not self.is_compressed else gzip.decompress(self.content)
        headers["Content-Length"] = str(len(body))
        return Response(b"" if request.method == "HEAD" else body, headers=headers, media_type=self.media_type)


def pack(content: bytes, media_type: str) -> PackedFile:
    """A file with this content; a megabyte takes some 0.1 s."""
    compressed = gzip.compress(content, mtime=0)
    is_smaller = len(compressed) < WORTH * len(content)
    version = hashlib.sha256(content).hexdigest()[:16]
    return PackedFile(compressed if is_smaller else content, is_smaller, version, media_type)


def takes_gzip(accept_encoding: str) -> bool:
    """Whether an Accept-Encoding allows gzip (RFC 9110, section 12.5.3)."""
    weights: dict[str, float] = {}
    for part in accept_encoding.lower().split(","):
        found = CODING.fullmatch(part)
        if found:
            weights[found[1]] = weight_of(found[2])
    return weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0))) > 0


def weight_of(text: str | None) -> float:
    try:
        return 1.0 if text is None else float(text)
    except ValueError:
        return 0.0


def names(if_none_match: str, etag: str) -> bool:
    """Whether an If-None-Match names this tag, or any (RFC 9110, section 13.1.2)."""
    tags = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return etag in tags or tags == ["*"]
