"""The client of the server's POST /detect; it needs httpx, and none of the server's own modules."""

from singleshot.client.errors import BusyError, DeadlineError, DetectError, UnreachableError

__all__ = ["BusyError", "DeadlineError", "DetectError", "UnreachableError"]
