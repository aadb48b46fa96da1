"""Headers that describe a body: its length, and its codings, of which this server knows none."""

from starlette.datastructures import Headers

from service.api.problems import RequestError

MAX_DIGITS = 18
CODING_HEADERS = frozenset({b"content-encoding", b"transfer-encoding"})


def whole_number(text: str) -> int | None:
    """The number that a header gives in decimal digits, which may begin with zeros; None if it is none.

    A number of more than MAX_DIGITS digits is none either: it counts no bytes, and `int` raises an error for thousands.
    """
    if not (text.isascii() and text.isdigit()):
        return None
    digits = text.lstrip("0") or "0"
    return int(digits) if len(digits) <= MAX_DIGITS else None


def check_codings(headers: Headers) -> None:
    """Raise RequestError 415 if the body is compressed (RFC 9110, section 15.5.16)."""
    if CODING_HEADERS.isdisjoint([name for name, _ in headers.raw]):  # the usual case
        return
    codings = [coding.strip().lower() for coding in ",".join(headers.getlist("content-encoding")).split(",")]
    if any(coding not in ("", "identity") for coding in codings):
        detail = "the body has a Content-Encoding, and this server takes none; send it as it is"
        raise RequestError(415, detail, {"Accept-Encoding": "identity"})
    if headers.get("transfer-encoding", "chunked").strip().lower() != "chunked":
        raise RequestError(415, "the body has a Transfer-Encoding other than chunked; send it without")
