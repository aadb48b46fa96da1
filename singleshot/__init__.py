"""The command `singleshot`, and the client of its server: `from singleshot import Client`.

Importing this package imports neither of them.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from singleshot.client import (
        AsyncClient,
        BusyError,
        Client,
        DeadlineError,
        DetectError,
        Detection,
        Detections,
        DetectOptions,
        ServedModel,
        UnreachableError,
    )

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


def __getattr__(name: str) -> Any:
    """A class of `singleshot.client`, which is imported at its first use."""
    if name in __all__:
        return getattr(importlib.import_module("singleshot.client"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """The same with the names that are not imported yet, for completion."""
    return sorted({*globals(), *__all__})
