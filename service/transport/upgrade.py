"""The head of a request that wants another protocol, without that wish."""

import httptools

UPGRADES = frozenset({b"upgrade", b"http2-settings"})


def without_upgrade(method: bytes, url: bytes, version: str, headers: list[tuple[bytes, bytes]]) -> bytes:
    """The head without the headers that concern Upgrade; raises HttpParserError if nothing else makes sense."""
    if method == b"CONNECT":  # for proxies
        raise httptools.HttpParserError("this server is no proxy")
    lines = [b"%s %s HTTP/%s" % (method, url, version.encode())]
    for name, value in headers:
        kept = value
        if name == b"connection":
            options = (option.strip() for option in value.split(b","))
            kept = b", ".join(option for option in options if option.lower() not in UPGRADES)
        if name not in UPGRADES:
            lines.append(b"%s: %s" % (name, kept))
    if any(b"\r" in line or b"\n" in line for line in lines):
        raise httptools.HttpParserError("a header has several lines")
    return b"\r\n".join([*lines, b"", b""])
