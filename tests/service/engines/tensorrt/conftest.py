"""A GPU for these tests: tests/stand_in/, which needs cuda-bindings (`pip install .[engine]`)."""

from collections.abc import Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.stand_in.cuda import HostCuda

collect_ignore = [] if find_spec("cuda") else ["test_cuda.py", "test_lane.py", "test_numbers.py", "test_plugin.py"]


@pytest.fixture
def host_cuda(monkeypatch: pytest.MonkeyPatch) -> "Iterator[HostCuda]":
    """The stand-in of a GPU and of TensorRT; a test that leaves memory, a stream or a graph behind fails."""
    from tests.service.engines.tensorrt.stand_in_engine import put_in_place
    from tests.stand_in.tensorrt_types import refused

    device = put_in_place(monkeypatch)
    yield device
    refused.clear()
    device.memory.check_freed()
    assert not device.live()
