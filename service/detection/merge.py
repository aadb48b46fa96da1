"""One list of boxes from those that the model found in the views of an image."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.bundle import InputSpec
from service.compiled import compiled
from service.detection.fit import scale_to_image
from service.detection.postprocess import Detections, Options, postprocess
from service.detection.soft_nms import soft_nms
from service.engines.protocol import ImageCandidates

BORDER_MARGIN = 0.02  # of a view's side: a box that ends so near to a border inside the image is cut by it
SAME_IOU = 0.7  # above which two boxes of a view and a label are nearly the same
MIN_COVER = 0.5  # share of a box's area that another box of its label covers if both are the same object
MIN_SCORE_SHARE = 0.5  # of a box's score, which a box that covers it has at least: a weak box is no better witness


def merge_views(
    candidates: Sequence[ImageCandidates],
    views: NDArray[np.int64],
    options: Options,
    spec: InputSpec,
    size: tuple[int, int],
    *,
    max_candidates: int | None = None,
) -> Detections:
    """The detections of an image of `size` (height, width) from the candidates of each of its `views` (V, 4).

    One object may have several boxes, so they are taken in three steps: the boxes of tiles that no border cuts; the
    boxes of the whole image; and the boxes that a border of their tile inside the image cuts. `is_covered` leaves boxes
    of a later step out. Soft-NMS decides between the others; without it, they are the result.

    Before that, each view keeps one of several boxes that are nearly the same, because a model may find a thousand
    boxes in it; then the `max_candidates` best boxes of all views take part. If `options.is_limit_per_view`, there are
    at most `max_detections` for each view.

    Whether a box is left out does not depend on the score thresholds of `options`. So the result without NMS, ranked by
    soft-NMS with a higher threshold, is the result with that threshold.
    """
    if options.is_limit_per_view:
        options = replace(options, max_detections=len(views) * options.max_detections)
    lowest = min([options.score_threshold, *options.label_thresholds.values()])
    # the boxes that may cover those of the lowest score, and the boxes that may cover these
    parts = [distinct(found, MIN_SCORE_SHARE**2 * lowest) for found in candidates]
    boxes = [from_view(part.boxes, view, spec) for part, view in zip(parts, views, strict=True)]
    steps = [2 * is_cut(own, view, size) for own, view in zip(boxes, views, strict=True)]
    steps[0] = np.ones_like(steps[0])
    scores = np.concatenate([part.scores for part in parts])
    is_taken = np.sort(np.argsort(-scores, kind="stable")[:max_candidates])
    numbers = np.repeat(np.arange(len(views)), [len(part.scores) for part in parts])[is_taken]  # of their views
    taken = ImageCandidates(
        np.concatenate(boxes)[is_taken], scores[is_taken], np.concatenate([part.labels for part in parts])[is_taken]
    )
    ends = np.searchsorted(numbers, np.arange(len(views)), side="right")
    covered = is_covered(taken.boxes, taken.scores, taken.labels, np.concatenate(steps)[is_taken], views, ends)
    order = np.flatnonzero(~covered)[np.argsort(-taken.scores[~covered], kind="stable")]
    ranked = ImageCandidates(taken.boxes[order], taken.scores[order], taken.labels[order])
    own_pixels = InputSpec(height=size[0], width=size[1], resize="stretch")  # the boxes are in the image's pixels
    return postprocess(ranked, options, own_pixels, size)


def distinct(found: ImageCandidates, lowest: float) -> ImageCandidates:
    """The candidates of a view from the score `lowest` up, the best of those that are nearly the same."""
    kept, scores = soft_nms(
        found.boxes,
        found.scores,
        found.labels,
        method="hard",
        sigma=1.0,
        iou_threshold=SAME_IOU,
        score_threshold=lowest,
        max_detections=len(found.scores),
    )
    return ImageCandidates(found.boxes[kept], scores, found.labels[kept])


def from_view(boxes: NDArray[np.float32], view: NDArray[np.int64], spec: InputSpec) -> NDArray[np.float32]:
    """boxes (N, 4) xyxy in input pixels of a `view` (4,) -> (N, 4) in pixels of the image."""
    left, top, right, bottom = view.tolist()
    scaled = scale_to_image(boxes, spec, (bottom - top, right - left))
    return scaled + np.array([left, top, left, top], np.float32)


def is_cut(boxes: NDArray[np.float32], view: NDArray[np.int64], size: tuple[int, int]) -> NDArray[np.int64]:
    """boxes (N, 4) of a `view` (4,), all in pixels of the image -> (N,) 1 for a box that ends at an inner border.

    The image's own border cuts nothing: the object ends there.
    """
    left, top, right, bottom = view.tolist()
    x, y = BORDER_MARGIN * (right - left), BORDER_MARGIN * (bottom - top)
    cut = (boxes[:, 0] < left + x) & (left > 0)
    cut |= (boxes[:, 1] < top + y) & (top > 0)
    cut |= (boxes[:, 2] > right - x) & (right < size[1])
    cut |= (boxes[:, 3] > bottom - y) & (bottom < size[0])
    cuts: NDArray[np.int64] = cut.astype(np.int64)
    return cuts


@compiled
def is_covered(boxes: Any, scores: Any, labels: Any, steps: Any, views: Any, ends: Any) -> Any:
    """boxes (N, 4), scores (N,), labels (N,), steps (N,) -> (N,) whether another box covers MIN_COVER of the box.

    The other box is of an earlier step, of the same label, of a view that has pixels in common, has MIN_SCORE_SHARE of
    its score or more, and is not covered itself. The boxes are in the order of their views (V, 4): those of a view end
    before `ends` (V,).
    """
    covered = np.zeros(len(boxes), np.bool_)
    for step in (1, 2):
        for own in range(len(views)):
            for i in range(ends[own - 1] if own else 0, ends[own]):
                if steps[i] != step:
                    continue
                min_area = MIN_COVER * (boxes[i, 2] - boxes[i, 0]) * (boxes[i, 3] - boxes[i, 1])
                for other in range(len(views)):
                    if covered[i]:
                        break
                    across = min(views[own, 2], views[other, 2]) > max(views[own, 0], views[other, 0])
                    if not across or min(views[own, 3], views[other, 3]) <= max(views[own, 1], views[other, 1]):
                        continue
                    for j in range(ends[other - 1] if other else 0, ends[other]):
                        if steps[j] >= step or covered[j] or labels[j] != labels[i]:
                            continue
                        if scores[j] < MIN_SCORE_SHARE * scores[i]:
                            continue
                        width = min(boxes[i, 2], boxes[j, 2]) - max(boxes[i, 0], boxes[j, 0])
                        height = min(boxes[i, 3], boxes[j, 3]) - max(boxes[i, 1], boxes[j, 1])
                        if width > 0 and height > 0 and width * height >= min_area:
                            covered[i] = True
                            break
    return covered
