"""Reads the body of a request within limits, and finds the images in it."""

import asyncio

from fastapi import Request
from starlette.requests import ClientDisconnect

from service.api.body_budget import BodyShare
from service.api.detect_routes import CLIENT_DISCONNECTED
from service.api.form import Upload, files_of
from service.api.headers import check_codings, whole_number
from service.api.problems import RequestError
from service.settings import Settings


async def read_uploads(request: Request, settings: Settings, share: BodyShare) -> list[Upload]:
    """The images of a request: the files of a multipart body, or else the body itself.

    Raises RequestError as `read_body` does, and 400 for a form that is broken or has no file.
    """
    body = await read_body(request, settings, share)
    if not body:
        raise RequestError(400, "the body is empty; send an image file, e.g. curl --data-binary @photo.jpg URL/detect")
    content_type = request.headers.get("content-type", "")
    if content_type.lower().startswith("multipart/form-data"):
        return files_of(body, content_type, settings.max_files)
    return [Upload(None, body)]


async def read_body(request: Request, settings: Settings, share: BodyShare) -> bytes:
    """The whole body; its bytes count in `share`.

    Raises RequestError: 413 too large, 408 too slow, 415 compressed; and BodyBudgetExceededError.
    """
    check_codings(request.headers)
    declared = whole_number(request.headers.get("content-length", "0"))
    if declared is None or declared > settings.max_body_bytes:
        raise _too_large(settings)
    if request.scope["state"].get("has_body"):  # as nearly always: it is in one message, and no timer is needed
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise _disconnected()
        whole: bytes = message["body"]
        _count(whole, settings, share)
        return whole
    body = bytearray()  # a list of chunks would take forty times the memory of a body that comes byte by byte
    try:
        async with asyncio.timeout(settings.receive_seconds):
            async for chunk in request.stream():
                _count(chunk, settings, share)
                body += chunk
    except TimeoutError:
        raise RequestError(408, f"the body did not arrive within {settings.receive_seconds:g} s") from None
    except ClientDisconnect:
        raise _disconnected() from None
    return bytes(body)


def _count(chunk: bytes, settings: Settings, share: BodyShare) -> None:
    share.add(len(chunk))
    if share.num_bytes > settings.max_body_bytes:
        raise _too_large(settings)


def _disconnected() -> RequestError:
    return RequestError(CLIENT_DISCONNECTED, "the client disconnected before the end of its body")


def _too_large(settings: Settings) -> RequestError:
    return RequestError(413, f"the body is larger than {settings.max_body_bytes} bytes")
