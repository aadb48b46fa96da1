"""Top-k: the best candidates of a detector."""

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
    padding = max_candidates - num_pairs
    if padding:
        boxes = torch.nn.functional.pad(boxes, (0, 0, 0, padding))
        top_scores = torch.nn.functional.pad(top_scores, (0, padding))
        labels = torch.nn.functional.pad(labels, (0, padding))
    return boxes, top_scores, labels
