"""A detector's mistakes at one score threshold: the confusion matrix, the worst misses and the worst false alarms."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.evaluation.average_precision import Float, ImageResult, claim
from service.detection.iou import iou

IOU_THRESHOLD = 0.5
NEAR = 0.1  # an IoU from which a box is called badly placed rather than elsewhere


@dataclass(frozen=True)
class Mistake:
    """A missed object or a false alarm: the position of its image in the split, its class and box (4) xyxy pixels.

    The score is that of the false alarm. Of a missed object it is the best score, below the threshold, of a detection
    that would have found it; 0 if there is none. `reason` is for readers. `related` is the box of the other side: the
    object that a false alarm overlaps, or the detection that a missed object should have had.
    """

    image: int
    label: int
    box: Float
    score: float
    reason: str
    related: Float | None


@dataclass(frozen=True)
class Mistakes:
    """confusion (K + 1, K + 1): the number of objects by class and of detections by class.

    The last row are detections for which no object is left: there is none, or another detection found it. The last
    column are objects that are not detected. The lists are the worst of each kind, the worst first.
    """

    confusion: NDArray[np.int64]
    misses: list[Mistake]
    false_alarms: list[Mistake]


def find_mistakes(
    results: Sequence[ImageResult], classes: Sequence[str], score_threshold: float, limit: int
) -> Mistakes:
    """Compare the detections of at least a score with the objects, and keep the worst `limit` mistakes of each kind.

    Within a class, detections claim objects as in Pascal VOC's AP50. The remaining detections may then claim a missed
    object of another class: a confusion. The worst misses are those with the lowest score, and then the largest; the
    worst false alarms those with the highest score.
    """
    confusion = np.zeros((len(classes) + 1, len(classes) + 1), np.int64)
    misses: list[Mistake] = []
    false_alarms: list[Mistake] = []
    for n, result in enumerate(results):
        image = _Image(n, result, classes, score_threshold)
        np.add.at(confusion, image.pairs(), 1)
        misses = sorted([*misses, *image.misses()], key=lambda miss: (miss.score, -_area(miss.box)))[:limit]
        false_alarms = sorted([*false_alarms, *image.false_alarms()], key=lambda alarm: -alarm.score)[:limit]
    return Mistakes(confusion, misses, false_alarms)


class _Image:
    """One image: `object_of` (D) is the object of each detection, `taken_for` (M) the detection of each object.

    Both are -1 if there is none. Detections below the threshold have no object, nor have errors of their own class.
    """

    def __init__(self, image: int, result: ImageResult, classes: Sequence[str], score_threshold: float) -> None:
        self.image, self.result, self.classes = image, result, classes
        self.object_of = np.full(len(result.labels), -1)
        self.taken_for = np.full(len(result.gt_labels), -1)
        self.is_error = np.zeros(len(result.labels), bool)
        by_score = np.argsort(-result.scores, kind="stable")
        by_score = by_score[result.scores[by_score] >= score_threshold]
        for label in range(len(classes)):
            found, of_class = by_score[result.labels[by_score] == label], np.flatnonzero(result.gt_labels == label)
            claimed, is_first = claim(result.boxes[found], result.gt_boxes[of_class], IOU_THRESHOLD)
            is_uncounted = np.append(result.is_difficult[of_class], False)[claimed]
            self.is_error[found] = ~is_first & ~is_uncounted
            hits = is_first & ~is_uncounted
            self.object_of[found[hits]] = of_class[claimed[hits]]
            self.taken_for[of_class[claimed[hits]]] = found[hits]
        self.overlaps = iou(result.boxes, result.gt_boxes)  # (D, M)
        for detection in by_score[self.is_error[by_score]]:
            is_free = (self.taken_for < 0) & ~result.is_difficult & (result.gt_labels != result.labels[detection])
            free = np.where(is_free, self.overlaps[detection], 0.0)
            if free.max(initial=0.0) >= IOU_THRESHOLD:
                self.object_of[detection] = free.argmax()
                self.taken_for[free.argmax()] = detection

    def pairs(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """The classes (P) of objects and (P) of detections that belong together; K is no object left, or missed."""
        result, none = self.result, len(self.classes)
        missed = np.flatnonzero((self.taken_for < 0) & ~result.is_difficult)
        alone = np.flatnonzero(self.is_error & (self.object_of < 0))
        paired = np.flatnonzero(self.object_of >= 0)
        rows = (result.gt_labels[self.object_of[paired]], result.gt_labels[missed], np.full(len(alone), none))
        columns = (result.labels[paired], np.full(len(missed), none), result.labels[alone])
        return np.concatenate(rows).astype(np.intp), np.concatenate(columns).astype(np.intp)

    def misses(self) -> Iterator[Mistake]:
        result = self.result
        for n in np.flatnonzero(~result.is_difficult):
            label, taken = int(result.gt_labels[n]), int(self.taken_for[n])
            if taken >= 0 and result.labels[taken] == label:
                continue
            is_own = result.labels == label
            near = np.where(is_own, self.overlaps[:, n], 0.0)
            would_find = np.flatnonzero((near >= IOU_THRESHOLD) & (self.object_of < 0) & ~self.is_error)
            best = would_find[result.scores[would_find].argmax()] if len(would_find) else -1
            score = float(result.scores[best]) if best >= 0 else 0.0
            if taken >= 0:
                reason = f"taken for {self.classes[result.labels[taken]]} {result.scores[taken]:.2f}"
                related: int | None = taken
            elif best >= 0:
                reason, related = f"score only {score:.2f}", int(best)
            elif near.max(initial=0.0) >= IOU_THRESHOLD:
                reason, related = "its box counts for a neighbour", int(near.argmax())
            elif near.max(initial=0.0) >= NEAR:
                reason, related = f"best box overlaps by {near.max():.2f}", int(near.argmax())
            else:
                reason, related = "not detected", None
            box = None if related is None else result.boxes[related]
            yield Mistake(self.image, label, result.gt_boxes[n], score, reason, box)

    def false_alarms(self) -> Iterator[Mistake]:
        result = self.result
        for n in np.flatnonzero(self.is_error):
            label = int(result.labels[n])
            own = np.where(result.gt_labels == label, self.overlaps[n], 0.0)
            if self.object_of[n] >= 0:
                related, reason = int(self.object_of[n]), f"is {self.classes[result.gt_labels[self.object_of[n]]]}"
            elif own.max(initial=0.0) >= IOU_THRESHOLD:
                related, reason = int(own.argmax()), "second box of one object"
            elif self.overlaps[n].max(initial=0.0) >= IOU_THRESHOLD:
                related = int(self.overlaps[n].argmax())
                reason = f"is {self.classes[result.gt_labels[related]]}, found as such too"
            elif own.max(initial=0.0) >= NEAR:
                related, reason = int(own.argmax()), f"overlaps by {own.max():.2f}"
            else:
                related, reason = -1, "no object there"
            box = result.gt_boxes[related] if related >= 0 else None
            yield Mistake(self.image, label, result.boxes[n], float(result.scores[n]), reason, box)


def _area(box: Float) -> float:
    return float((box[2:] - box[:2]).prod())
