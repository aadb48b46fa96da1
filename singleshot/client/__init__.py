"""The client of the server's POST /detect; it needs httpx, and none of the server's own modules."""

from singleshot.client.requirement import needing

with needing("httpx", "the client"):
    from singleshot.client.async_client import AsyncClient
from singleshot.client.detections import Detection, Detections
from singleshot.client.errors import BusyError, DeadlineError, DetectError, UnreachableError
from singleshot.client.options import DetectOptions
from singleshot.client.served_model import ServedModel
from singleshot.client.sync_client import Client

__all__ = [
    "AsyncClient",
    "BusyError",
    "Client",
    "DeadlineError",
    "DetectError",
    "DetectOptions",
    "Detection",
    "Detections",
    "ServedModel",
    "UnreachableError",
]
