"""How pytest-xdist shares the tests out to its processes."""

from typing import Any

import pytest


@pytest.hookimpl(optionalhook=True)  # plain pytest runs without xdist
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """A file's tests run in one process, and so do those of all files that share the exported bundles."""
    from xdist.scheduler import LoadFileScheduling

    class ByFile(LoadFileScheduling):  # type: ignore[misc] # xdist has no types
        def _split_scope(self, nodeid: str) -> str:
            return "tests/export" if nodeid.startswith("tests/export/") else super()._split_scope(nodeid)

    return ByFile(config, log)
