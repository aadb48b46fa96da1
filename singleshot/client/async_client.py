"""The client for asyncio."""

import asyncio
import os
import ssl
import time
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Literal, Self, TypeVar, Unpack, overload

import httpx

from singleshot.client.answer import Answer
from singleshot.client.detections import Detections
from singleshot.client.exchange import Send, Steps
from singleshot.client.options import DetectOptions
from singleshot.client.ordered import in_order_async
from singleshot.client.picture import file_bytes
from singleshot.client.served_model import ServedModel
from singleshot.client.session import LIMITS, Session

if TYPE_CHECKING:
    from singleshot.client.picture import Picture

T = TypeVar("T")
SPARE_SECONDS = 0.05  # httpx's own limits should end a step first


class AsyncClient:
    """Client for asyncio: its methods are to be awaited, and `detect_many` gives an async iterator.

    The arguments are those of Client. One event loop may use it.
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
        transport = None if uds is None else httpx.AsyncHTTPTransport(uds=uds, limits=LIMITS, verify=False)
        self._http = httpx.AsyncClient(transport=transport, limits=LIMITS, verify=context)

    async def detect(self, picture: "Picture", **options: Unpack[DetectOptions]) -> Detections:
        """The objects in one picture, as Client.detect; a thread reads files and encodes arrays."""
        content = picture if isinstance(picture, bytes) else await asyncio.to_thread(file_bytes, picture)
        return await self._run(self._session.detect(content, options))

    @overload
    def detect_many(
        self,
        pictures: "Iterable[Picture] | AsyncIterable[Picture]",
        *,
        concurrency: int = 8,
        return_exceptions: Literal[False] = False,
        **options: Unpack[DetectOptions],
    ) -> AsyncIterator[Detections]: ...
    @overload
    def detect_many(
        self,
        pictures: "Iterable[Picture] | AsyncIterable[Picture]",
        *,
        concurrency: int = 8,
        return_exceptions: Literal[True],
        **options: Unpack[DetectOptions],
    ) -> AsyncIterator[Detections | Exception]: ...
    def detect_many(
        self,
        pictures: "Iterable[Picture] | AsyncIterable[Picture]",
        *,
        concurrency: int = 8,
        return_exceptions: bool = False,
        **options: Unpack[DetectOptions],
    ) -> AsyncIterator[Detections | Exception]:
        """The objects in each picture, as Client.detect_many; `pictures` may be an async iterable."""
        self._session.check_many(pictures, concurrency, options)
        return self._detect_many(pictures, concurrency, return_exceptions, options)

    async def _detect_many(
        self,
        pictures: "Iterable[Picture] | AsyncIterable[Picture]",
        concurrency: int,
        return_exceptions: bool,
        options: DetectOptions,
    ) -> AsyncIterator[Detections | Exception]:
        async def detect(picture: "Picture") -> Detections:
            return await self.detect(picture, **options)

        async with aclosing(in_order_async(detect, pictures, concurrency)) as runs:
            async for run in runs:
                error = run.exception()
                if error is None:
                    yield run.result()
                elif return_exceptions and isinstance(error, Exception):
                    yield error
                else:
                    raise error

    async def models(self) -> list[ServedModel]:
        """The models that the server has, the default first; raises DetectError."""
        return await self._run(self._session.models())

    async def is_ready(self) -> bool:
        """Whether the server answers now, and accepts requests."""
        return await self._run(self._session.is_ready())

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        """`async with AsyncClient(url) as client` closes the connections at its end."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connections."""
        await self.close()

    async def _run(self, steps: Steps[T]) -> T:
        outcome: Answer | httpx.RequestError | None = None
        while True:
            try:
                step = steps.send(outcome)
            except StopIteration as end:
                result: T = end.value
                return result
            if isinstance(step, Send):
                outcome = await self._send(step)
            else:
                outcome = None
                await asyncio.sleep(step.seconds)

    async def _send(self, send: Send) -> Answer | httpx.RequestError:
        """One try."""
        try:
            async with asyncio.timeout(send.deadline - time.monotonic() + SPARE_SECONDS):
                response = await self._http.send(self._session.request(send, send.call.content))
        except TimeoutError:
            return httpx.ReadTimeout("the deadline has passed")
        except httpx.RequestError as error:
            return error
        return Answer(response.status_code, response.headers, response.content)
