"""Normalisation, and the choice of candidates."""

import pytest
import torch
from torch import Tensor

from models.candidates import best_candidates, best_of_levels
from models.detector import IMAGE_MEAN, IMAGE_STD, normalise


def full_sort(boxes: Tensor, scores: Tensor, count: int) -> tuple[list[list[float]], list[float], list[int]]:
    """The best (box, class) pairs of one image, found by sorting all of them."""
    pairs = [
        (scores[n, k].item(), boxes[n].tolist(), k) for n in range(scores.shape[0]) for k in range(scores.shape[1])
    ]
    pairs.sort(key=lambda pair: -pair[0])
    best = pairs[:count]
    return [box for _, box, _ in best], [score for score, _, _ in best], [label for *_, label in best]


@pytest.mark.parametrize(("num_boxes", "num_classes", "count"), [(60, 5, 20), (60, 1, 20), (8, 30, 20), (200, 3, 199)])
def test_candidates_equal_those_of_a_full_sort(num_boxes: int, num_classes: int, count: int) -> None:
    generator = torch.Generator().manual_seed(num_boxes)
    boxes = torch.rand(3, num_boxes, 4, generator=generator)
    scores = torch.rand(3, num_boxes, num_classes, generator=generator)
    found = best_candidates(boxes, scores, count)
    for image in range(3):
        expected = full_sort(boxes[image], scores[image], count)
        assert tuple(part[image].tolist() for part in found) == expected
    assert found[2].dtype == torch.int32


def test_all_candidates_may_belong_to_one_box() -> None:
    scores = torch.tensor([[[0.1, 0.1, 0.1], [0.9, 0.8, 0.7], [0.2, 0.1, 0.1]]])
    boxes = torch.arange(12.0).view(1, 3, 4)
    found, _, labels = best_candidates(boxes, scores, 3)
    assert labels.tolist() == [[0, 1, 2]]
    assert found.tolist() == [[[4, 5, 6, 7]] * 3]


def test_missing_candidates_are_padded_with_score_0() -> None:
    boxes, scores, labels = best_candidates(torch.ones(2, 2, 4), torch.full((2, 2, 3), 0.5), 10)
    assert boxes.shape == (2, 10, 4)
    assert labels.shape == (2, 10)
    assert scores.tolist() == [[0.5] * 6 + [0] * 4] * 2


@pytest.mark.parametrize(("per_level", "count"), [(5, 40), (5, 8), (7, 100), (1, 3)])
@pytest.mark.parametrize("num_classes", [1, 3])
def test_candidates_of_levels_equal_those_of_a_full_sort_of_each(num_classes: int, per_level: int, count: int) -> None:
    """The levels have 30, 9, 4 and 1 boxes; the scores of the first are far higher."""
    generator = torch.Generator().manual_seed(num_classes)
    boxes = torch.rand(2, 44, 4, generator=generator)
    scores = torch.rand(2, 44, num_classes, generator=generator) / 2
    scores[:, :30] += 0.5
    found = best_of_levels(boxes, scores, (30, 9, 4, 1), per_level, count)
    for image in range(2):
        pairs: list[tuple[float, list[float], int]] = []
        for own in torch.arange(44).tensor_split([30, 39, 43]):
            best = full_sort(boxes[image, own], scores[image, own], per_level)
            pairs += zip(best[1], best[0], best[2], strict=True)
        pairs = sorted(pairs, reverse=True)[:count]
        padding = count - len(pairs)
        assert found[0][image].tolist() == [box for _, box, _ in pairs] + [[0.0] * 4] * padding
        assert found[1][image].tolist() == [score for score, _, _ in pairs] + [0.0] * padding
        assert found[2][image].tolist() == [label for *_, label in pairs] + [0] * padding
    assert found[2].dtype == torch.int32


def test_the_mean_colour_is_normalised_to_zero() -> None:
    images = torch.tensor(IMAGE_MEAN).round().to(torch.uint8).expand(2, 4, 6, 3)
    normalised = normalise(images)
    assert normalised.shape == (2, 3, 4, 6)
    assert normalised.abs().max() < 0.5 / min(IMAGE_STD) + 1e-6


def test_channels_keep_their_order() -> None:
    red = torch.tensor([255, 0, 0], dtype=torch.uint8).expand(1, 2, 2, 3)
    assert normalise(red)[0, :, 0, 0].tolist() == pytest.approx(
        [(255 - IMAGE_MEAN[0]) / IMAGE_STD[0], -IMAGE_MEAN[1] / IMAGE_STD[1], -IMAGE_MEAN[2] / IMAGE_STD[2]]
    )
