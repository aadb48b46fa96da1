"""Measures how much the candidates of two engines differ on the same images."""

from dataclasses import dataclass

import numpy as np

from service.bundle import InputSpec
from service.engines.protocol import Candidates

COMPARED_SCORE = 0.05  # candidates with a lower score are noise, unless the best one scores hardly more
# If a box scores at most this much more than the last candidate, rounding decides whether another engine keeps the box.
CUT_OFF_MARGIN = 2e-4
ROUNDED_CUT_OFF_MARGIN = 0.02  # the same for an engine in lower precision


@dataclass(frozen=True)
class Difference:
    """The largest differences over all compared candidates, boxes in pixels, and the number of those without a
    counterpart.
    """

    boxes: float
    scores: float
    num_missing: int

    def __str__(self) -> str:
        return f"boxes {self.boxes:.2g} px, scores {self.scores:.2g}, {self.num_missing} without a counterpart"

    def joined(self, other: "Difference") -> "Difference":
        """The larger differences of two comparisons, and the number of all candidates without a counterpart."""
        return Difference(
            max(self.boxes, other.boxes), max(self.scores, other.scores), self.num_missing + other.num_missing
        )

    def exceeds(self, boxes: float, scores: float) -> bool:
        return self.boxes > boxes or self.scores > scores or self.num_missing > 0


def difference(
    reference: Candidates, other: Candidates, inside: InputSpec | None = None, margin: float = CUT_OFF_MARGIN
) -> Difference:
    """Pair each candidate of `reference` above COMPARED_SCORE with the nearest box of the same label in `other`.

    If the best candidate of all images scores less than twice that, those above half of its score are compared.
    If `other` is cut off at a higher score, only candidates at least `margin` above that score are compared. Candidates
    are paired by position and not by rank, because two engines may order equal scores differently. With `inside`, the
    boxes of a pair are clipped to that input before they are compared, as a server clips its answers: a model at the
    start of its training makes boxes of thousands of pixels, and float32 is less exact at their far edges.
    """
    corner = np.array([inside.width, inside.height] * 2 if inside else [np.inf] * 4, np.float32)
    low = np.float32(0 if inside else -np.inf)
    boxes = scores = 0.0
    num_missing = 0
    lowest = min(COMPARED_SCORE, reference.scores.max(initial=0) / 2)
    for image in range(len(reference.scores)):
        cut_off = other.scores[image].min(initial=1)
        compared = max(lowest, cut_off + margin if cut_off > 0 else 0)  # 0 is padding: nothing was cut off
        for box, score, label in zip(
            reference.boxes[image], reference.scores[image], reference.labels[image], strict=True
        ):
            if score <= 0 or score < compared:
                continue
            is_peer = (other.labels[image] == label) & (other.scores[image] > 0)
            if not is_peer.any():
                num_missing += 1
                continue
            peers, peer_scores = other.boxes[image][is_peer], other.scores[image][is_peer]
            nearest = int(np.abs(peers - box).max(axis=1).argmin())
            boxes = max(boxes, float(np.abs(peers[nearest].clip(low, corner) - box.clip(low, corner)).max()))
            scores = max(scores, float(abs(peer_scores[nearest] - score)))
    return Difference(boxes, scores, num_missing)
