"""Flip averaging: a mirror image has the mirrored detections, and the mean lies between both views."""

import pytest
import torch

from models.evaluation.flip import FlipAverage, mirror_of
from models.passd.passd import PASSD, PASSDConfig
from models.presets.preset import PresetError
from models.retinanet.retinanet import RetinaNet, RetinaNetConfig

SIZE = 64


@pytest.fixture(scope="module")
def model() -> PASSD:
    """An untrained PASSD whose layers and heads give numbers large enough to tell the views apart."""
    torch.manual_seed(0)
    model = PASSD(PASSDConfig("mobilenet", SIZE), ("green", "red"))
    with torch.no_grad():
        for _ in range(8):
            model(torch.randn(2, 3, SIZE, SIZE))  # batch norm gets its statistics
        for name, parameter in model.named_parameters():
            if name.startswith(("proposals", "attending")):
                parameter.mul_(20)
    return model.eval()


def mirrored(boxes: torch.Tensor) -> torch.Tensor:
    return torch.stack([SIZE - boxes[..., 2], boxes[..., 1], SIZE - boxes[..., 0], boxes[..., 3]], dim=-1)


def test_mirrored_default_boxes_are_each_others_mirror_images(model: PASSD) -> None:
    cx, rest = model.default[:, 0], model.default[:, 1:]
    mirror = mirror_of(model)
    torch.testing.assert_close(SIZE - cx[mirror], cx)
    torch.testing.assert_close(rest[mirror], rest)
    assert mirror[mirror].tolist() == list(range(len(mirror)))


@torch.inference_mode()
def test_a_mirror_image_has_the_mirrored_boxes_and_the_same_scores(model: PASSD) -> None:
    images = torch.randn(2, 3, SIZE, SIZE)
    average = FlipAverage(model)
    boxes, scores = average.decode(average(images))
    other_boxes, other_scores = average.decode(average(images.flip(3)))
    torch.testing.assert_close(mirrored(other_boxes[:, average.mirror]), boxes, atol=1e-3, rtol=1e-4)
    torch.testing.assert_close(other_scores[:, average.mirror], scores, atol=1e-5, rtol=1e-4)


@torch.inference_mode()
def test_the_mean_is_that_of_both_views(model: PASSD) -> None:
    images = torch.randn(1, 3, SIZE, SIZE)
    boxes, scores = model.decode(model(images))
    other_boxes, other_scores = model.decode(model(images.flip(3)))
    mean_boxes, mean_scores = (average := FlipAverage(model)).decode(average(images))
    n = 5
    m = int(mirror_of(model)[n])
    assert m != n
    assert not torch.allclose(scores[0, n], other_scores[0, m], rtol=1e-3)
    torch.testing.assert_close(mean_scores[0, n], (scores[0, n] + other_scores[0, m]) / 2)
    torch.testing.assert_close(mean_boxes[0, n], (boxes[0, n] + mirrored(other_boxes[0, m])) / 2, atol=1e-3, rtol=1e-4)


def test_retinanet_is_refused() -> None:
    model = RetinaNet(RetinaNetConfig("mobilenet", SIZE, num_frozen_stages=0, channels=8, tower_depth=1), ("green",))
    with pytest.raises(PresetError, match="for RetinaNet, --scales multi has flips"):
        FlipAverage(model)
