"""Top-k: the best candidates of a detector."""

from collections.abc import Sequence

import torch
from torch import Tensor


def best_candidates(boxes: Tensor, scores: Tensor, max_candidates: int) -> tuple[Tensor, Tensor, Tensor]:
    """The T = `max_candidates` best (box, class) pairs: boxes (B, N, 4), scores (B, N, K) -> boxes, scores, labels.

    The shapes are (B, T, 4), (B, T) and (B, T) int32. If there are fewer than T pairs, rows with score 0 pad the end.

    The result is exact, and far cheaper than sorting N x K scores: each of the T best pairs belongs to one of the T
    boxes whose best class has the highest scores. For any other box, T pairs are above each of its own.
    """
    num_boxes, num_classes = scores.shape[1:]
    top_boxes = scores.amax(dim=2).topk(min(max_candidates, num_boxes), dim=1).indices  # (B, T')
    boxes = boxes.gather(1, top_boxes[..., None].expand(-1, -1, 4))
    scores = scores.gather(1, top_boxes[..., None].expand(-1, -1, num_classes))
    num_pairs = min(max_candidates, scores.shape[1] * num_classes)
    top_scores, pairs = scores.flatten(1).topk(num_pairs, dim=1)  # (B, T)
    boxes = boxes.gather(1, (pairs // num_classes)[..., None].expand(-1, -1, 4))
    labels = (pairs % num_classes).to(torch.int32)
    return padded(boxes, top_scores, labels, max_candidates)


def best_of_levels(
    boxes: Tensor, scores: Tensor, level_sizes: Sequence[int], candidates_per_level: int, max_candidates: int
) -> tuple[Tensor, Tensor, Tensor]:
    """The T best (box, class) pairs, of which at most `candidates_per_level` belong to one level.

    boxes (B, N, 4), scores (B, N, K); `level_sizes` gives the number of boxes of each level, N in all. The result has
    the form of `best_candidates`.
    """
    sizes = list(level_sizes)
    levels = [
        best_candidates(*level, min(candidates_per_level, level[1].shape[1] * scores.shape[2]))
        for level in zip(torch.split(boxes, sizes, dim=1), torch.split(scores, sizes, dim=1), strict=True)
    ]
    boxes, scores, labels = (torch.cat(parts, dim=1) for parts in zip(*levels, strict=True))
    scores, best = scores.topk(min(max_candidates, scores.shape[1]), dim=1)
    boxes = boxes.gather(1, best[..., None].expand(-1, -1, 4))
    return padded(boxes, scores, labels.gather(1, best), max_candidates)


def padded(boxes: Tensor, scores: Tensor, labels: Tensor, max_candidates: int) -> tuple[Tensor, Tensor, Tensor]:
    """The same candidates, with rows of score 0 at the end if there are fewer than `max_candidates`."""
    padding = max_candidates - scores.shape[1]
    if padding:
        boxes = torch.nn.functional.pad(boxes, (0, 0, 0, padding))
        scores = torch.nn.functional.pad(scores, (0, padding))
        labels = torch.nn.functional.pad(labels, (0, padding))
    return boxes, scores, labels
