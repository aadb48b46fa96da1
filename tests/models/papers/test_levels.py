"""FSAF's Figure 8: the levels of anchors and of detections, and the colours of boxes."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from models.data.voc import read_voc
from models.papers.errors import FigureError
from models.papers.levels import AGREES, DIFFERS, Found, anchor_levels, draw, find, write_figures
from models.retinanet.retinanet import RetinaNet, RetinaNetConfig

STRIDES = (8, 16, 32, 64, 128)
SMALL = RetinaNetConfig(
    "mobilenet", 128, "anchor-free", channels=16, tower_depth=1, backbone_norm="batch", num_frozen_stages=0
)


@pytest.mark.parametrize(
    ("size", "level"),
    [
        ((20, 20), 0),
        ((32, 32), 0),
        ((50, 50), 0),
        ((80, 80), 1),
        ((100, 100), 1),
        ((57, 114), 1),
        ((400, 380), 3),
        ((2000, 2000), 4),
    ],
)
def test_a_box_belongs_to_the_level_with_the_closest_anchor(size: tuple[int, int], level: int) -> None:
    map_sizes = [(1024 // stride, 1024 // stride) for stride in STRIDES]
    width, height = size
    box = torch.tensor([[512 - width / 2, 512 - height / 2, 512 + width / 2, 512 + height / 2]])
    assert anchor_levels(box, map_sizes, STRIDES).tolist() == [level]


@pytest.fixture
def model() -> RetinaNet:
    torch.manual_seed(0)
    model = RetinaNet(SMALL, ("green", "red")).eval()
    assert model.anchor_free is not None
    with torch.no_grad():  # every cell predicts a box of 2 x 2 cells of its level, with class 1
        model.anchor_free.scores.weight.zero_()
        model.anchor_free.offsets.weight.zero_()
        assert model.anchor_free.scores.bias is not None
        assert model.anchor_free.offsets.bias is not None
        model.anchor_free.scores.bias.copy_(torch.tensor([-9.0, 0.0]))
        model.anchor_free.offsets.bias.fill_(0.25)
    return model


def test_detections_have_the_level_of_their_cell(model: RetinaNet) -> None:
    found = find(model, np.zeros((128, 128, 3), np.uint8), 0.3)
    assert set(found.labels.tolist()) == {1}
    assert set(found.levels.tolist()) <= {3, 4, 5, 6, 7}
    inner = (found.boxes > 0).all(axis=1) & (found.boxes < 128).all(axis=1)
    widths = found.boxes[inner, 2] - found.boxes[inner, 0]
    np.testing.assert_allclose(widths, 2 * 2.0 ** found.levels[inner])
    assert len(find(model, np.zeros((128, 128, 3), np.uint8), 0.6).levels) == 0


def test_boxes_are_green_if_the_levels_agree_and_red_if_they_differ() -> None:
    boxes = np.array([[10, 40, 60, 90], [100, 40, 160, 90]], np.float32)
    found = Found(boxes, np.ones(2, np.float32), np.array([0, 1], np.int32), np.array([3, 4]), np.array([3, 3]))
    canvas = draw(np.full((120, 200, 3), 255, np.uint8), found, ("a", "b"))
    for column, colour in ((30, AGREES), (130, DIFFERS)):
        assert canvas[88:93, column].min(axis=0).tolist() == pytest.approx(colour, abs=40)


def test_figures_are_written_with_a_table(model: RetinaNet, voc_tree: Path, tmp_path: Path) -> None:
    samples = read_voc(voc_tree, "test").samples
    table = write_figures(model, samples[:2], tmp_path / "levels", 0.3)
    drawn = sorted(path.name for path in (tmp_path / "levels").iterdir())
    assert drawn == sorted(f"{sample.image_path.stem}.png" for sample in samples[:2])
    image = cv2.imread(str(tmp_path / "levels" / drawn[0]))
    assert image is not None
    assert image.shape == (96, 128, 3)
    assert [line.split()[0] for line in table.splitlines()[1:]] == ["P3", "P4", "P5", "P6", "P7", "all"]


def test_a_model_without_anchor_free_branch_is_refused() -> None:
    model = RetinaNet(RetinaNetConfig("mobilenet", 128, "anchor-based", channels=16, tower_depth=1), ("a",))
    with pytest.raises(FigureError, match="no anchor-free branch"):
        find(model.eval(), np.zeros((8, 8, 3), np.uint8), 0.3)
