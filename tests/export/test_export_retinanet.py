"""RetinaNet with FSAF as a bundle: letterboxed, both branches in one list of candidates, the same in every engine."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from export.__main__ import parser
from export.build import Built, at_size, build
from export.commands import nms_of
from export.errors import ExportError
from export.golden import golden_detections
from export.graph import fold_and_round
from export.half_precision import to_half
from export.parity import difference
from models.candidates import best_candidates
from models.detector import normalise
from models.presets.catalogue import find_preset
from models.presets.preset import Preset
from models.retinanet.retinanet import RetinaNet, RetinaNetConfig
from models.training.checkpoint import load_model
from service.bundle import InputSpec, NmsDefaults
from service.detection.fit import boxes_to_image, boxes_to_input, fit
from service.detection.golden import check_golden
from service.engines.open import open_engine
from service.engines.protocol import Candidates, EngineName
from tests.export.checkpoints import SIZE, open_in_torch, write_untrained
from tests.export.half_convolutions import assert_only_convolutions_are_half
from tests.fake_engine import FakeEngine
from tests.models.pictures import CLASSES, draw

CANDIDATES_PER_LEVEL = 40
SMALL = RetinaNetConfig(
    "mobilenet",
    SIZE,
    channels=32,
    tower_depth=1,
    backbone_norm="batch",
    num_frozen_stages=0,
    candidates_per_level=CANDIDATES_PER_LEVEL,
)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of a model with both branches whose random heads give some hundred candidates of all scores."""
    torch.manual_seed(0)
    preset: Preset = replace(find_preset("retinanet-fsaf-320-mobilenet"), model=SMALL)
    model = preset.build(CLASSES)
    assert isinstance(model, RetinaNet)
    with torch.no_grad():
        for layer in model.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.momentum = 1.0
        noise = torch.randint(0, 256, (1, SIZE, SIZE, 3), dtype=torch.uint8)
        batch = normalise(torch.cat([torch.from_numpy(images(3)), noise]))
        model.train()(batch)  # gives the norms their statistics
        found = model.eval()(batch)
        assert model.anchor_based
        assert model.anchor_free
        for head, output, spread in (
            (model.anchor_based.scores, found.anchor_based.logits, 1.0),
            (model.anchor_free.scores, found.anchor_free.logits, 1.0),
            (model.anchor_based.deltas, found.anchor_based.deltas, 0.1),
            (model.anchor_free.offsets, found.anchor_free.offsets, 0.1),
        ):
            head.weight.mul_(spread / output.std())
    return write_untrained(tmp_path_factory.mktemp("runs") / "best.pt", model, preset)


@pytest.fixture(scope="module")
def built(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Built:
    out = tmp_path_factory.mktemp("bundles") / "joint"
    nms = NmsDefaults(method="hard", iou_threshold=0.5)
    return build(load_model(checkpoint), out, name="joint", version="1", nms=nms)


def images(batch: int) -> NDArray[np.uint8]:
    return np.stack([fit(draw(seed).pixels, SMALL.input_spec) for seed in range(batch)])


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("engine_name", ["onnx", "openvino"])
def test_engine_agrees_with_torch(checkpoint: Path, built: Built, engine_name: EngineName, batch: int) -> None:
    if engine_name == "openvino":
        pytest.importorskip("openvino", reason="OpenVINO is an optional engine: pip install .[cpu]")
    reference = open_in_torch(checkpoint)(images(batch))
    engine = open_engine(built.bundle, engine_name, precision="fp32", num_threads=1)
    found = difference(reference, engine(images(batch)))
    engine.close()
    assert 20 * batch < (reference.scores > 0.05).sum() < 1000 * batch  # enough to compare, and nothing is cut off
    assert found.num_missing == 0
    assert found.boxes < 1e-2
    assert found.scores < 1e-4


def test_the_best_of_each_level_are_in_the_graph(checkpoint: Path, built: Built) -> None:
    """Without the limit, there are more candidates of the finest levels."""
    model = load_model(checkpoint).model
    fold_and_round(model)
    with torch.no_grad():
        predictions = model(normalise(torch.from_numpy(images(1))))
        boxes, scores = model.decode(predictions)
        unlimited = best_candidates(boxes, scores, 1000)[1]
        limited = model.candidates(predictions, 1000)[1].numpy()
    found = open_engine(built.bundle, "onnx", num_threads=1)(images(1)).scores
    assert 20 < (found > 0.05).sum() < (unlimited > 0.05).sum()
    np.testing.assert_allclose(found, limited, atol=1e-4)


def test_in_half_precision_convolutions_are_half_and_boxes_and_scores_are_not(built: Built) -> None:
    model = to_half(onnx.load(built.bundle.model_path))
    assert_only_convolutions_are_half(model)
    assert sum(node.op_type == "Conv" for node in model.graph.node) > 40


def test_both_branches_are_in_the_candidates(checkpoint: Path, built: Built) -> None:
    """Each branch gives some of the boxes, and no box comes from elsewhere.

    The branches differ: anchors reach outside their cell, and cells contain their centre.
    """
    model = load_model(checkpoint).model
    fold_and_round(model)
    with torch.no_grad():
        predictions = model(normalise(torch.from_numpy(images(1))))
        of_anchors = model.anchor_based.decode(predictions.anchor_based)[0][0].numpy()
        of_cells = model.anchor_free.decode(predictions.anchor_free)[0][0].numpy()
    found = open_engine(built.bundle, "onnx", num_threads=1)(images(1))
    boxes = found.boxes[0][found.scores[0] > 0.05]
    near = [np.abs(boxes[:, None] - own[None]).max(axis=2).min(axis=1) < 0.02 for own in (of_anchors, of_cells)]
    assert near[0].any()
    assert near[1].any()
    assert (near[0] | near[1]).all()


def test_manifest_letterboxes_and_keeps_a_thousand_candidates(built: Built) -> None:
    manifest = built.bundle.manifest
    assert manifest.input == InputSpec(height=SIZE, width=SIZE, resize="letterbox")
    assert manifest.max_candidates == 1000
    check_golden(built.bundle, open_engine(built.bundle, "onnx", num_threads=1))


@pytest.mark.parametrize("size", [(480, 640), (640, 480), (1, 500), (333, 77)])
def test_letterboxed_boxes_map_back_exactly(built: Built, size: tuple[int, int]) -> None:
    spec = built.bundle.manifest.input
    height, width = size
    boxes = np.array([[0, 0, width, height], [width * 0.25, height * 0.5, width * 0.75, height]], np.float32)
    inside = boxes_to_input(boxes, spec, size)
    assert (inside <= SIZE).all()
    np.testing.assert_allclose(boxes_to_image(inside, spec, size), boxes, rtol=1e-5)


@pytest.mark.parametrize("size", [64, 160, 256])
def test_the_same_weights_serve_an_input_of_another_size(checkpoint: Path, size: int) -> None:
    trained = load_model(checkpoint)
    resized = at_size(trained, size)
    assert resized.model.config.input_spec == InputSpec(height=size, width=size, resize="letterbox")
    assert resized.golden.shape == (size, size, 3)
    for name, tensor in resized.model.state_dict().items():
        assert torch.equal(tensor, trained.model.state_dict()[name])


def test_an_input_size_that_does_not_fit_is_refused(checkpoint: Path) -> None:
    with pytest.raises(ExportError, match="input_size is 100; it must be a multiple of 32"):
        at_size(load_model(checkpoint), 100)


@pytest.mark.parametrize(("flags", "method"), [([], "hard"), (["--nms", "gaussian"], "gaussian")])
def test_bundles_have_their_preset_s_nms_unless_an_option_says_otherwise(flags: list[str], method: str) -> None:
    options = parser().parse_args(["build", "best.pt", "--out", "bundle", *flags])
    nms = nms_of(options, find_preset("retinanet-fsaf-resnet50"))
    assert (nms.method, nms.iou_threshold, nms.score_threshold) == (method, 0.5, 0.3)


class Beside(FakeEngine):
    """An engine that finds one object outside the image and one inside."""

    def __call__(self, images: NDArray[np.uint8]) -> Candidates:
        count = len(images)
        boxes = np.array([[[-50, -50, -10, -10], [10, 10, 50, 50]]] * count, np.float32)
        return Candidates(boxes, np.array([[0.9, 0.8]] * count, np.float32), np.zeros((count, 2), np.int32))


def test_a_box_outside_the_image_is_no_golden_detection() -> None:
    golden = np.zeros((SIZE, SIZE, 3), np.uint8)
    found = golden_detections(Beside()(golden[None]).of_image(0), SMALL.input_spec, NmsDefaults())
    assert [detection.box for detection in found] == [(10, 10, 50, 50)]
