"""Fixtures of the exporter's tests: a small PASSD with random weights, and a bundle of it that is built once."""

import logging
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
from torch import nn

from export.build import Built, build
from models.data.voc import read_voc
from models.passd.offset_conv import OffsetConv
from models.passd.passd import PASSD, PASSDConfig
from models.presets.catalogue import find_preset
from models.training.checkpoint import load_model
from service.bundle import NmsDefaults
from tests.export.checkpoints import SIZE, write_untrained
from tests.models.pictures import CLASSES, write_voc

logging.getLogger("torch.__trace").propagate = False  # pytest would keep every line of the tracer's log


@pytest.fixture(scope="session", autouse=True)
def exporter_without_coverage() -> Iterator[None]:
    """Torch's exporter runs untraced, because coverage doubles its time.

    Of our own lines it runs the forward passes of export/graph.py; they do not count. Coverage must be paused and
    resumed in one frame: with a context manager it also loses the rest of the function that called the exporter.
    """

    def untraced(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **settings: Any) -> Any:
            tracer = sys.gettrace()
            sys.settrace(None)
            try:
                return function(*arguments, **settings)
            finally:
                sys.settrace(tracer)

        return call

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.export, "export", untraced(torch.export.export))
        patch.setattr(torch.onnx, "export", untraced(torch.onnx.export))
        yield


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of a PASSD whose random heads have weights large enough to give candidates of all scores."""
    torch.manual_seed(0)
    base = find_preset("passd-320-mobilenet")
    assert isinstance(base.model, PASSDConfig)
    preset = replace(base, model=replace(base.model, input_size=SIZE))
    model = preset.build(CLASSES)
    assert isinstance(model, PASSD)
    assert isinstance(model.attending, OffsetConv)
    with torch.no_grad():
        for layer in model.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.get_buffer("running_mean").uniform_(-0.2, 0.2)
                layer.get_buffer("running_var").uniform_(0.5, 1.5)
        for head in (model.proposals, model.attending.scores, model.attending.deltas):
            head.weight.mul_(20)
    return write_untrained(tmp_path_factory.mktemp("runs") / "best.pt", model, preset)


@pytest.fixture(scope="session")
def built(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Built:
    tree = write_voc(tmp_path_factory.mktemp("data") / "rectangles", {"test": 3})
    out = tmp_path_factory.mktemp("bundles") / "random"
    return build(
        load_model(checkpoint),
        out,
        name="random",
        version="7",
        nms=NmsDefaults(),
        data_set=read_voc(tree, "test", CLASSES),
    )


@pytest.fixture
def traced_once(built: Built, monkeypatch: pytest.MonkeyPatch) -> None:
    """An export takes the graph of `built` instead of tracing the same checkpoint again, most of its time."""
    monkeypatch.setattr("export.build.to_onnx", lambda _graph, _spec: onnx.load(built.bundle.model_path))
