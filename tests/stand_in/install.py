"""Puts the stand-ins of CUDA and TensorRT in place in this process."""

import operator
import sys
from collections.abc import Callable
from typing import Any

from cuda.bindings import driver, runtime

from tests.stand_in import cuda, tensorrt, tensorrt_rtx
from tests.stand_in.cuda import HostCuda


def install(
    device: HostCuda | None = None,
    *,
    set_attribute: Callable[[Any, str, Any], None] = setattr,
    set_item: Callable[[Any, str, Any], None] = operator.setitem,
) -> HostCuda:
    """Replace CUDA by `device`, and the modules `tensorrt` and `tensorrt_rtx`; returns the device.

    A test passes `monkeypatch.setattr` and `monkeypatch.setitem`, which end it. The names that modules have imported
    from cuda-bindings stay valid, because its modules are changed and not replaced.
    """
    device = device or HostCuda()
    set_attribute(cuda, "installed", device)
    for name in dir(HostCuda):
        if name.startswith("cuda"):
            set_attribute(runtime, name, device.call(name))
        elif name.startswith("cu"):
            set_attribute(driver, name, device.call(name))
    set_item(sys.modules, "tensorrt", tensorrt)
    set_item(sys.modules, "tensorrt_rtx", tensorrt_rtx)
    return device
