"""Two metrics of the objects found: how many of each class, and a histogram of their scores."""

import math
import threading
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

SCORE_BUCKETS = tuple(i / 20 for i in range(1, 21))
MAX_WAITING = 64  # images
Model = tuple[str, str]  # name and version


class DetectionCounts(Collector):
    """Counts detections by model, version and class, and their scores by model and version.

    The detections of several images are counted together: the calls of numpy that count one image cost more than
    its soft-NMS.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[tuple[Model, Sequence[str], NDArray[np.int32], NDArray[np.float32]]] = []
        self._found: Counter[tuple[str, str, str]] = Counter()  # by model, version and class
        self._score_counts: dict[Model, NDArray[np.int64]] = {}  # the last bucket is for scores above all bounds
        self._score_sums: dict[Model, float] = {}

    def observe(
        self, model: Model, classes: Sequence[str], labels: NDArray[np.int32], scores: NDArray[np.float32]
    ) -> None:
        """Count the detections of one image of a model, given by its name and version: labels (D,) and scores (D,)."""
        with self._lock:
            self._waiting.append((model, classes, labels, scores))
            if len(self._waiting) >= MAX_WAITING:
                self._count()

    def forget(self, name: str, version: str) -> None:
        """Drop the counts of a version of a model."""
        with self._lock:
            self._count()
            for names in [names for names in self._found if names[:2] == (name, version)]:
                del self._found[names]
            self._score_counts.pop((name, version), None)
            self._score_sums.pop((name, version), None)

    def collect(self) -> Iterator[Metric]:
        """The metrics in the form of prometheus_client."""
        found = CounterMetricFamily("singleshot_detections", "Objects found", labels=["model", "version", "label"])
        scores = HistogramMetricFamily(
            "singleshot_detection_score", "Scores of the objects found", labels=["model", "version"]
        )
        bounds = [floatToGoString(bound) for bound in (*SCORE_BUCKETS, math.inf)]  # type: ignore[no-untyped-call]
        with self._lock:
            self._count()
            for names, count in self._found.items():
                found.add_metric(names, count)
            for model, counts in self._score_counts.items():
                buckets = list(zip(bounds, np.cumsum(counts).tolist(), strict=True))
                scores.add_metric(model, buckets, self._score_sums[model])
        yield found
        yield scores

    def _count(self) -> None:
        """Count the waiting images; the caller has the lock."""
        groups: dict[tuple[Model, Sequence[str]], list[tuple[NDArray[np.int32], NDArray[np.float32]]]] = {}
        for model, classes, labels, scores in self._waiting:
            groups.setdefault((model, tuple(classes)), []).append((labels, scores))
        self._waiting.clear()
        for (model, classes), images in groups.items():
            all_labels, all_scores = (np.concatenate(arrays) for arrays in zip(*images, strict=True))
            for label, count in enumerate(np.bincount(all_labels).tolist()):
                if count:
                    self._found[*model, classes[label]] += count
            buckets = np.searchsorted(SCORE_BUCKETS, all_scores)
            counts = np.bincount(buckets, minlength=len(SCORE_BUCKETS) + 1)
            self._score_counts[model] = self._score_counts.get(model, 0) + counts
            self._score_sums[model] = self._score_sums.get(model, 0.0) + float(all_scores.sum(dtype=np.float64))
