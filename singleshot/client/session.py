"""What both clients do alike: the address, the headers, and the steps of each call, without any input or output."""

import os
import re
import ssl
import time
from collections.abc import Iterable, Iterator, Mapping

import httpx

from singleshot.client.answer import Answer, detections_of
from singleshot.client.detections import Detections
from singleshot.client.exchange import Call, Send, Steps, exchange
from singleshot.client.options import DetectOptions, query_of
from singleshot.client.served_model import ServedModel, models_of

DEFAULT_SECONDS = 60.0
READY_SECONDS = 5.0
MAX_SECONDS = 1e9  # thirty years; sockets do not take much more
MAX_PORT = 65535
PIECE_BYTES = 2**18
PRINTABLE = "printable ASCII characters, with no space or end of line around them"
ADDRESS = "an address looks like http://localhost:8000, https://host/path or unix:///run/singleshot.sock"
# as many connections as calls at once; each is closed before a server closes it, uvicorn's and this one after 5 s
LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=4.0)


class Session:
    """The steps of each call for a server at `url`. Raises ValueError for an address, key or timeout that is none."""

    def __init__(self, url: str, api_key: str | None, timeout: float | None, headers: Mapping[str, str] | None) -> None:
        address = str(url).rstrip("/")  # None, as of a variable that is not set, is no address either
        self.url = re.sub("//[^/]*@", "//", address)  # errors show it, but no password
        scheme, _, rest = address.partition("://")
        if scheme not in ("http", "https", "unix") or not rest.strip("/"):
            raise ValueError(f"{self.url}: {ADDRESS}")
        self.socket = rest if scheme == "unix" else None
        self._base = "http://localhost" if scheme == "unix" else _base_of(address, self.url)
        self.is_encrypted = scheme == "https"
        self._timeout = timeout
        self._headers = {"Accept": "application/json", "User-Agent": "singleshot", **(headers or {})}
        if api_key is not None:
            if not (api_key and _is_printable(api_key)):
                raise ValueError(f"the API key should consist of {PRINTABLE}")
            self._headers["Authorization"] = f"Bearer {api_key}"
        for name, value in self._headers.items():
            if isinstance(value, str) and not _is_printable(value):
                raise ValueError(f"the header {name} should consist of {PRINTABLE}")
        _seconds_of(timeout)
        self._process: int | None = None

    def context(self, verify: "bool | str | os.PathLike[str] | ssl.SSLContext") -> bool | ssl.SSLContext:
        """How httpx checks certificates; reading those of the authorities takes time that plain HTTP can save."""
        if not self.is_encrypted:
            return False
        if not isinstance(verify, str | os.PathLike):
            return verify
        try:
            return ssl.create_default_context(cafile=verify)
        except OSError as error:  # it names no file
            raise type(error)(error.errno, f"{error.strerror}: {os.fspath(verify)}") from error

    def detect(self, content: bytes, options: DetectOptions) -> Steps[Detections]:
        """The steps that send an image file to /detect."""
        path = f"/detect{query_of(options)}"
        own = options.get("timeout")
        timeout = self._timeout if own is None else own
        call = Call("POST", path, content, _seconds_of(timeout), is_told=timeout is not None)
        return detections_of((yield from exchange(call, self.url)))

    def check_many(self, pictures: object, concurrency: int, options: DetectOptions) -> None:
        """Raise TypeError or ValueError for arguments that no picture could be sent with."""
        if isinstance(pictures, str | os.PathLike | bytes):
            raise TypeError("detect_many takes several pictures, as of Path('photos').glob('*.jpg'); detect takes one")
        if concurrency < 1:
            raise ValueError(f"the concurrency is {concurrency}; send at least one picture at once")
        query_of(options)
        _seconds_of(options.get("timeout"))

    def models(self) -> Steps[list[ServedModel]]:
        """The steps that ask for /models."""
        return models_of((yield from exchange(Call("GET", "/models", seconds=_seconds_of(self._timeout)), self.url)))

    def is_ready(self) -> Steps[bool]:
        """The steps that ask /readyz once."""
        outcome = yield Send(Call("GET", "/readyz"), time.monotonic() + READY_SECONDS)
        return isinstance(outcome, Answer) and outcome.status == 200

    def request(self, send: Send, content: bytes | Iterable[bytes]) -> httpx.Request:
        """The request of one try; `content` is the call's, perhaps in pieces.

        Raises RuntimeError in another process than before: on the same connection, two would take each other's answers.
        """
        process = os.getpid()
        self._process = self._process or process
        if process != self._process:
            raise RuntimeError("the client is in use by the process that forked this one; make one in each process")
        headers = {**self._headers, **send.headers}
        if send.call.method == "POST":
            headers |= {"Content-Type": "application/octet-stream", "Content-Length": str(len(send.call.content))}
        url, timeouts = self._base + send.call.path, {"timeout": send.timeouts}
        return httpx.Request(send.call.method, url, headers=headers, content=content, extensions=timeouts)


def pieces_of(content: bytes, deadline: float) -> bytes | Iterator[bytes]:
    """A large body in pieces, so that a slow upload ends at the deadline; a small one takes one step."""
    if len(content) <= PIECE_BYTES:
        return content
    return timely((content[at : at + PIECE_BYTES] for at in range(0, len(content), PIECE_BYTES)), deadline)


def timely(pieces: Iterable[bytes], deadline: float) -> Iterator[bytes]:
    """The pieces; raises httpx.TimeoutException once the deadline (time.monotonic()) has passed."""
    for piece in pieces:
        if time.monotonic() > deadline:
            raise httpx.TimeoutException("the deadline has passed")
        yield piece


def _seconds_of(timeout: float | None) -> float:
    if timeout is None:
        return DEFAULT_SECONDS
    if not 0 < timeout <= MAX_SECONDS:
        limits = f"above 0 and at most {MAX_SECONDS:g}"
        raise ValueError(f"the timeout is {timeout}; give seconds {limits}, or None for {DEFAULT_SECONDS:g}")
    return timeout


def _base_of(address: str, shown: str) -> str:
    """What comes before the path of a call; raises ValueError, which names the address as it is `shown`."""
    try:
        url = httpx.URL(address)
    except httpx.InvalidURL as error:
        raise ValueError(f"{shown}: {error}; {ADDRESS}") from error
    if {"?", "#"} & set(address) or not 0 <= (url.port or 0) <= MAX_PORT:
        raise ValueError(f"{shown}: {ADDRESS}")
    return str(url).rstrip("/")


def _is_printable(text: str) -> bool:
    """Whether it can be the value of a header; the error of httpx would come later, and show a key."""
    return text.isascii() and text.isprintable() and text == text.strip()
