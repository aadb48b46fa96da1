"""From the candidates of an image to its detections: soft-NMS, thresholds, and boxes in image pixels."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from service.bundle import InputSpec, NmsDefaults
from service.detection.fit import boxes_to_image, scale_to_image
from service.detection.soft_nms import Method, soft_nms
from service.engines.protocol import Candidates, ImageCandidates


@dataclass(frozen=True)
class Detections:
    """boxes float32 (D, 4) xyxy in image pixels; scores float32 (D,), falling; labels int32 (D,)."""

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    labels: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.scores)


@dataclass(frozen=True)
class Options:
    """The choice of candidates. `labels` are the wanted class indices, None for all.

    Without a `method` there is no NMS: the candidates are the input of NMS and are not clipped to the image.
    `label_thresholds` are score thresholds of single class indices; they replace `score_threshold` for these.
    `is_limit_per_view` if an image in several views may have `max_detections` for each of them.
    """

    method: Method | None
    sigma: float
    iou_threshold: float
    score_threshold: float
    max_detections: int
    labels: frozenset[int] | None = None
    label_thresholds: Mapping[int, float] = field(default_factory=dict)
    is_limit_per_view: bool = False


def default_options(defaults: NmsDefaults) -> Options:
    """The options of a bundle."""
    return Options(
        method=defaults.method,
        sigma=defaults.sigma,
        iou_threshold=defaults.iou_threshold,
        score_threshold=defaults.score_threshold,
        max_detections=defaults.max_detections,
        is_limit_per_view=True,
    )


def postprocess(candidates: ImageCandidates, options: Options, spec: InputSpec, size: tuple[int, int]) -> Detections:
    """The detections of one image of `size` (height, width), whose input pixels were fitted to `spec`."""
    boxes, scores, labels = candidates.boxes, candidates.scores, candidates.labels
    if options.labels is not None:
        wanted = _among(labels, options.labels)
        boxes, scores, labels = boxes[wanted], scores[wanted], labels[wanted]
    thresholds = _thresholds(labels, options)
    if options.method is None:
        best = np.flatnonzero((scores > 0) & (scores >= thresholds))[
            : options.max_detections
        ]  # candidates are in falling order of score
        return Detections(scale_to_image(boxes[best], spec, size), scores[best], labels[best])
    kept, kept_scores = soft_nms(
        boxes,
        scores,
        labels,
        method=options.method,
        sigma=options.sigma,
        iou_threshold=options.iou_threshold,
        score_threshold=thresholds,
        max_detections=options.max_detections,
    )
    return Detections(boxes_to_image(boxes[kept], spec, size), kept_scores, labels[kept])


def postprocess_batch(
    candidates: Candidates, options: Options, spec: InputSpec, sizes: Sequence[tuple[int, int]]
) -> list[Detections]:
    """The detections of each image of a batch; `sizes` are the images' (height, width). Further rows are padding."""
    return [postprocess(candidates.of_image(row), options, spec, size) for row, size in enumerate(sizes)]


def _among(labels: NDArray[np.int32], wanted: Collection[int]) -> NDArray[np.bool_]:
    return np.isin(labels, np.fromiter(wanted, np.int32, len(wanted)))


def _thresholds(labels: NDArray[np.int32], options: Options) -> NDArray[np.float64]:
    """labels (N,) -> the score thresholds (N,) of their classes."""
    thresholds = np.full(len(labels), options.score_threshold)
    for label, threshold in options.label_thresholds.items():
        thresholds[labels == label] = threshold
    return thresholds
