"""Fixtures of the server's tests: a tiny bundle, and an engine around it."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.bundle import Bundle
from service.engines.open import open_engine
from service.engines.protocol import Engine
from tests.tiny_bundle import write_tiny_bundle


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    path: Path = tmp_path_factory.mktemp("bundles") / "tiny"
    return write_tiny_bundle(path)


@pytest.fixture(scope="session")
def tiny_engine(tiny_bundle: Bundle) -> Iterator[Engine]:
    engine = open_engine(tiny_bundle, "onnx", num_threads=1)
    yield engine
    engine.close()


@pytest.fixture(autouse=True)
def _restored_logging() -> Iterator[None]:
    """Leave logging as it was: a server that starts in this process writes its log to the present stderr."""
    root, own = logging.getLogger(), logging.getLogger("singleshot")
    before = list(root.handlers), root.level, own.level
    yield
    root.handlers[:], root.level, own.level = before
    for logger in (root, own):
        logger.setLevel(logger.level)  # clear the cache of enabled levels
