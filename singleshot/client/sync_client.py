"""The client for ordinary code and threads."""

import os
import ssl
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import CancelledError
from contextlib import closing
from typing import TYPE_CHECKING, Literal, Self, TypeVar, Unpack, overload

import httpx

from singleshot.client.answer import Answer
from singleshot.client.detections import Detections
from singleshot.client.exchange import Send, Steps
from singleshot.client.options import DetectOptions
from singleshot.client.ordered import in_order
from singleshot.client.picture import file_bytes
from singleshot.client.served_model import ServedModel
from singleshot.client.session import LIMITS, Session, pieces_of, timely

if TYPE_CHECKING:
    from singleshot.client.picture import Picture

T = TypeVar("T")


class Client:
    """Detects objects with the server at `url`: http://host:port, https://host/path or unix:///path.

    `timeout` is the seconds that one picture may take, all tries together; the server gets it too, and so it lets a
    request wait for so long. None is 60 s, and the server, which is not told, refuses what it would answer late; then
    the client tries again. `headers` are added to each request. `verify` is the certificates to trust, a file or an
    SSLContext, or False. Threads may share a client; a process that is forked needs a new one.
    """

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
        verify: "bool | str | os.PathLike[str] | ssl.SSLContext" = True,
    ) -> None:
        self._session = Session(url, api_key, timeout, headers)
        context = self._session.context(verify)
        uds = self._session.socket
        transport = None if uds is None else httpx.HTTPTransport(uds=uds, limits=LIMITS, verify=False)
        self._http = httpx.Client(transport=transport, limits=LIMITS, verify=context)

    def detect(self, picture: "Picture", **options: Unpack[DetectOptions]) -> Detections:
        """The objects in one picture; the options are those of `DetectOptions`.

        The picture is a path, the bytes of an image file, a file open for reading bytes, an array uint8 [H, W, 3] RGB
        or [H, W] grey, or an image of Pillow. Raises DetectError; OSError if a file cannot be read; TypeError and
        ValueError for a picture or an option of another form.
        """
        return self._run(self._session.detect(file_bytes(picture), options))

    @overload
    def detect_many(
        self,
        pictures: "Iterable[Picture]",
        *,
        concurrency: int = 8,
        return_exceptions: Literal[False] = False,
        **options: Unpack[DetectOptions],
    ) -> Iterator[Detections]: ...
    @overload
    def detect_many(
        self,
        pictures: "Iterable[Picture]",
        *,
        concurrency: int = 8,
        return_exceptions: Literal[True],
        **options: Unpack[DetectOptions],
    ) -> Iterator[Detections | Exception]: ...
    def detect_many(
        self,
        pictures: "Iterable[Picture]",
        *,
        concurrency: int = 8,
        return_exceptions: bool = False,
        **options: Unpack[DetectOptions],
    ) -> Iterator[Detections | Exception]:
        """The objects in each picture, in the order of the pictures; `concurrency` of them are sent at once.

        At most twice as many are held at any time, so `pictures` may be endless. An error of a picture is raised in its
        place and ends the iterator; with `return_exceptions` it is given there instead, and the others follow. An error
        that `pictures` raises comes after the results of the pictures before it.
        """
        self._session.check_many(pictures, concurrency, options)
        return self._detect_many(pictures, concurrency, return_exceptions, options)

    def _detect_many(
        self, pictures: "Iterable[Picture]", concurrency: int, return_exceptions: bool, options: DetectOptions
    ) -> Iterator[Detections | Exception]:
        stopped = threading.Event()

        def detect(picture: "Picture") -> Detections:
            return self._run(self._session.detect(file_bytes(picture), options), stopped)

        with closing(in_order(detect, pictures, concurrency)) as runs:
            try:
                for run in runs:
                    error = run.exception()
                    if error is None:
                        yield run.result()
                    elif return_exceptions and isinstance(error, Exception):
                        yield error
                    else:
                        raise error
            finally:
                stopped.set()

    def models(self) -> list[ServedModel]:
        """The models that the server has, the default first; raises DetectError."""
        return self._run(self._session.models())

    def is_ready(self) -> bool:
        """Whether the server answers now, and accepts requests."""
        return self._run(self._session.is_ready())

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        """`with Client(url) as client` closes the connections at its end."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections."""
        self.close()

    def _run(self, steps: Steps[T], stopped: threading.Event | None = None) -> T:
        outcome: Answer | httpx.RequestError | None = None
        while True:
            try:
                step = steps.send(outcome)
            except StopIteration as end:
                result: T = end.value
                return result
            if isinstance(step, Send):
                outcome = self._send(step)
            else:
                outcome = None
                if stopped is None:
                    time.sleep(step.seconds)
                elif stopped.wait(step.seconds):
                    raise CancelledError

    def _send(self, send: Send) -> Answer | httpx.RequestError:
        """One try. httpx limits the time of each step, and `timely` that of all steps together."""
        content = send.call.content
        try:
            response = self._http.send(self._session.request(send, pieces_of(content, send.deadline)), stream=True)
            with closing(response):
                body = b"".join(timely(response.iter_bytes(), send.deadline))
        except httpx.RequestError as error:
            return error
        return Answer(response.status_code, response.headers, body)
