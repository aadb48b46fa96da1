"""Reads the body of a request within limits, and finds the images in it."""

import asyncio
from functools import partial

from fastapi import Request
from starlette.requests import ClientDisconnect

from service.api.body_budget import BodyShare
from service.api.detect_routes import CLIENT_DISCONNECTED
from service.api.form import Upload, files_of
from service.api.headers import check_codings, whole_number
from service.api.json_images import MEMORY_FACTOR, max_json_bytes, read_json_images
from service.api.problems import RequestError
from service.scheduling.decode_pool import DecodePool
from service.settings import Settings

SMALL_BYTES = 2**18  # JSON that is read in less than a millisecond; more of it is read in another thread


async def read_uploads(request: Request, settings: Settings, share: BodyShare, decoders: DecodePool) -> list[Upload]:
    """The images of a request: the files of a multipart body, those in JSON, or else the body itself.

    Raises RequestError as `read_body` does, 400 for a form that is broken or has no file, and 422 and 413 for JSON.
    """
    content_type = request.headers.get("content-type", "")
    kind = content_type.lower()
    is_json = kind.startswith("application/json") and kind[16:17] in ("", ";", " ")
    max_bytes = max_json_bytes(settings.max_body_bytes) if is_json else settings.max_body_bytes
    body = await read_body(request, settings, share, max_bytes)
    if not body:
        raise RequestError(400, "the body is empty; send an image file, e.g. curl --data-binary @photo.jpg URL/detect")
    if is_json:
        share.add(round(MEMORY_FACTOR * len(body)))
        read = partial(read_json_images, body, settings.max_files, settings.max_body_bytes)
        files = read() if len(body) <= SMALL_BYTES else await decoders.run(0, read)
        share.keep(sum(map(len, files)))
        return [Upload(None, file) for file in files]
    if kind.startswith("multipart/form-data"):
        return files_of(body, content_type, settings.max_files)
    return [Upload(None, body)]


async def read_body(request: Request, settings: Settings, share: BodyShare, max_bytes: int | None = None) -> bytes:
    """The whole body of at most `max_bytes`, else as many as the settings say; its bytes count in `share`.

    Raises RequestError: 413 too large, 408 too slow, 415 compressed; and BodyBudgetExceededError.
    """
    check_codings(request.headers)
    max_bytes = settings.max_body_bytes if max_bytes is None else max_bytes
    declared = whole_number(request.headers.get("content-length", "0"))
    if declared is None or declared > max_bytes:
        raise _too_large(max_bytes)
    if request.scope["state"].get("has_body"):  # as nearly always: it is in one message, and no timer is needed
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise _disconnected()
        whole: bytes = message["body"]
        _count(whole, max_bytes, share)
        return whole
    body = bytearray()  # a list of chunks would take forty times the memory of a body that comes byte by byte
    try:
        async with asyncio.timeout(settings.receive_seconds):
            async for chunk in request.stream():
                _count(chunk, max_bytes, share)
                body += chunk
    except TimeoutError:
        raise RequestError(408, f"the body did not arrive within {settings.receive_seconds:g} s") from None
    except ClientDisconnect:
        raise _disconnected() from None
    return bytes(body)


def _count(chunk: bytes, max_bytes: int, share: BodyShare) -> None:
    share.add(len(chunk))
    if share.num_bytes > max_bytes:
        raise _too_large(max_bytes)


def _disconnected() -> RequestError:
    return RequestError(CLIENT_DISCONNECTED, "the client disconnected before the end of its body")


def _too_large(max_bytes: int) -> RequestError:
    return RequestError(413, f"the body is larger than {max_bytes} bytes")
