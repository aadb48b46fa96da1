"""Reads the body of a request within limits, finds the images in it, and notices when its client disconnects."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect

from service.api.problems import CLIENT_DISCONNECTED, RequestError
from service.settings import Settings


@dataclass(frozen=True)
class Upload:
    """One image file as the client sent it; a raw body has no filename."""

    filename: str | None
    body: bytes


async def read_uploads(request: Request, settings: Settings) -> list[Upload]:
    """The images of a request: each part of a multipart body that has a filename, or else the body itself.

    Raises RequestError: 413 too large, 408 too slow, 400 empty, broken or without a file.
    """
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        return [Upload(None, await read_body(request, settings))]
    async with _receiving(request, settings):
        return await _read_multipart(request, settings)


async def read_body(request: Request, settings: Settings) -> bytes:
    """The whole body; raises RequestError: 413 too large, 408 too slow, 400 empty."""
    async with _receiving(request, settings):
        body = b"".join([chunk async for chunk in _bounded(request, settings)])
    if not body:
        raise RequestError(400, "the body is empty; send an image file, e.g. curl --data-binary @photo.jpg URL/detect")
    return body


@asynccontextmanager
async def _receiving(request: Request, settings: Settings) -> AsyncIterator[None]:
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > settings.max_body_bytes:
        raise _too_large(settings)
    try:
        async with asyncio.timeout(settings.receive_seconds):
            yield
    except TimeoutError:
        raise RequestError(408, f"the body did not arrive within {settings.receive_seconds:g} s") from None
    except ClientDisconnect:
        raise RequestError(CLIENT_DISCONNECTED, "the client disconnected before the end of its body") from None


async def _read_multipart(request: Request, settings: Settings) -> list[Upload]:
    parser = MultiPartParser(request.headers, _bounded(request, settings), max_files=settings.max_files, max_fields=16)
    parser.spool_max_size = settings.max_body_bytes + 1  # in memory: the body is bounded, and the disk may be read-only
    try:
        form = await parser.parse()
        parts = [part for _, part in form.multi_items() if isinstance(part, UploadFile)]
        uploads = [Upload(part.filename, await part.read()) for part in parts]
    except MultiPartException as error:
        raise RequestError(400, f"the multipart body cannot be read: {error.message}") from error
    finally:
        files = parser._files_to_close_on_error  # `form` lacks the files whose parts did not end
        for file in files:
            file.close()
    if len(files) > len(uploads):
        raise RequestError(400, "the multipart body ends inside a file")
    if not uploads:
        raise RequestError(
            400, "the multipart body holds no file; send one or more, e.g. curl -F image=@photo.jpg URL/detect"
        )
    return uploads


async def _bounded(request: Request, settings: Settings) -> AsyncGenerator[bytes, None]:
    num_bytes = 0
    async for chunk in request.stream():
        num_bytes += len(chunk)
        if num_bytes > settings.max_body_bytes:
            raise _too_large(settings)
        yield chunk


def _too_large(settings: Settings) -> RequestError:
    return RequestError(413, f"the body is larger than {settings.max_body_bytes} bytes")


@asynccontextmanager
async def cancelled_on_disconnect(request: Request) -> AsyncIterator[None]:
    """Cancel the block when the client closes the connection; the body must have been read. Raises RequestError 499."""
    task = asyncio.current_task()
    assert task is not None
    has_disconnected = False

    async def watch() -> None:
        nonlocal has_disconnected
        while (await request.receive())["type"] != "http.disconnect":
            pass
        has_disconnected = True
        task.cancel()

    watcher = asyncio.create_task(watch())
    try:
        yield
    except asyncio.CancelledError:
        if has_disconnected and task.uncancel() == 0:
            raise RequestError(CLIENT_DISCONNECTED, "the client disconnected before the answer") from None
        raise
    finally:
        watcher.cancel()
