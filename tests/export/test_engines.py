"""Engines of both detectors for several GPUs in both precisions: minutes, so only `make test-engines` runs these."""

from importlib.util import find_spec
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch

from export.graph import ExportGraph, fold_and_round
from export.to_engine import Precision, build_engine
from export.to_onnx import to_onnx
from models.presets.catalogue import find_preset
from service.bundle import GOLDEN, MODEL, Golden, Manifest, Source, read_bundle, write_bundle
from service.engines.tensorrt.kernel import compile_kernel
from tests.models.pictures import CLASSES
from tests.tiny_bundle import png

pytestmark = [
    pytest.mark.engines,
    pytest.mark.skipif(
        find_spec("tensorrt_rtx") is None or find_spec("cuda") is None,
        reason="needs TensorRT for RTX, which has wheels for Linux on x86_64: pip install .[engine]",
    ),
]

TARGETS = ("sm_86", "sm_89", "sm_120")
NUM_PLUGINS = {"passd-320-mobilenet": 4, "retinanet-fsaf-320-mobilenet": 0}  # one a level of PASSD's pyramid


@pytest.fixture(scope="module", params=NUM_PLUGINS)
def untrained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A preset's name, and a bundle of it with random weights."""
    torch.manual_seed(0)
    model = find_preset(request.param).build(CLASSES).eval()
    fold_and_round(model)
    spec = model.config.input_spec
    manifest = Manifest(
        name=request.param,
        version="1",
        classes=CLASSES,
        input=spec,
        max_candidates=model.config.max_candidates,
        files={},
        source=Source(preset=request.param, checkpoint_sha256="0" * 64, data_set="none"),
        golden=Golden(detections=()),
    )
    files = {
        MODEL: to_onnx(ExportGraph(model, model.config.max_candidates), spec).SerializeToString(),
        GOLDEN: png(np.zeros((spec.height, spec.width, 3), np.uint8)),
    }
    path = tmp_path_factory.mktemp("bundles") / request.param
    write_bundle(path, manifest, files)
    return request.param, path


@pytest.mark.parametrize(("target", "precision"), list(product(TARGETS, ("fp32", "fp16"))))
def test_engine_has_a_plugin_layer_for_each_level(
    untrained: tuple[str, Path], target: str, precision: Precision
) -> None:
    preset, path = untrained
    built = build_engine(path, target=target, precision=precision, flavour="tensorrt_rtx")
    engine = built.path.read_bytes()
    assert built.num_plugins == NUM_PLUGINS[preset]
    assert engine.count(compile_kernel(target)) >= NUM_PLUGINS[preset]
    assert (b"OffsetConv" in engine) == (NUM_PLUGINS[preset] > 0)
    assert read_bundle(path).manifest.engines[f"{target}.engine"].precision == precision
