"""How pytest-xdist shares the tests out to its processes, and the signals that the tests' own processes inherit."""

import gc
import signal
from collections.abc import Generator
from typing import Any

import pytest

# a shell's background jobs ignore these signals, and so would the processes that the tests start
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.hookimpl(optionalhook=True)  # plain pytest runs without xdist
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """A file's tests run in one process, and so do those of all files that share the exported bundles."""
    from xdist.scheduler import LoadFileScheduling

    class ByFile(LoadFileScheduling):  # type: ignore[misc] # xdist has no types
        def _split_scope(self, nodeid: str) -> str:
            return "tests/export" if nodeid.startswith("tests/export/") else super()._split_scope(nodeid)

    return ByFile(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Garbage is collected after the imports only, and later collections do not visit what they left.

    A server collects garbage when it starts and at each change of a model; with the modules of all tests in the process
    that would take longer than most tests.
    """
    gc.disable()
    found = yield
    gc.collect()
    gc.freeze()
    gc.enable()
    return found
