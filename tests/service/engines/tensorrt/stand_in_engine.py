"""Engines that the stand-in of TensorRT builds, in bundles."""

import shutil
from importlib import import_module
from pathlib import Path
from typing import Literal

import pytest

from export.engine_builder import Job, build
from export.to_engine import network_of
from service.bundle import Bundle, EngineFile, add_engine, read_bundle
from service.engines.tensorrt import plugin
from service.engines.tensorrt.choose import Flavour
from service.engines.tensorrt.kernel import load_kernel
from tests.stand_in import tensorrt_types
from tests.stand_in.cuda import HostCuda
from tests.stand_in.install import install

TARGET, NAME = "sm_89", "sm_89.engine"


def put_in_place(patch: pytest.MonkeyPatch, device: HostCuda | None = None) -> HostCuda:
    """Give the process a GPU and TensorRT until `patch` ends; no plugin is registered yet."""
    patch.setattr(plugin, "_creators", {})
    patch.setattr(tensorrt_types.registry, "creators", {})
    tensorrt_types.refused.clear()
    load_kernel.cache_clear()
    return install(device, set_attribute=patch.setattr, set_item=patch.setitem)


def with_engine(
    bundle: Bundle,
    folder: Path,
    *,
    precision: Literal["fp32", "fp16"] = "fp32",
    max_batch: int = 8,
    flavour: Flavour = "tensorrt",
) -> Bundle:
    """A copy of the bundle in `folder` with an engine in NAME."""
    path = folder / bundle.path.name
    if path != bundle.path:
        shutil.copytree(bundle.path, path)
    content, num_plugins = network_of(bundle, precision)
    network = folder / "network.onnx"
    network.write_bytes(content)
    trt = import_module(flavour)
    engine = build(trt, Job(str(network), flavour, TARGET, max_batch, num_plugins))
    file = EngineFile(
        flavour=flavour,
        version=trt.__version__,
        compute_capability=TARGET,
        precision=precision,
        max_batch=max_batch,
    )
    return add_engine(read_bundle(path).path, NAME, file, engine)
