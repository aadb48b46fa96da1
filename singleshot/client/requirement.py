"""Packages that only some calls need."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def needing(package: str, purpose: str) -> Iterator[None]:
    """If an import in the block fails, raise ModuleNotFoundError that says how to install `package`."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(f"{purpose} needs {package}: pip install {package}", name=error.name) from error
