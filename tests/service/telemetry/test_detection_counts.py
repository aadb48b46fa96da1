"""The counts of detections, against prometheus_client's own counter and histogram."""

import numpy as np
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from service.telemetry.detection_counts import MAX_WAITING, SCORE_BUCKETS, DetectionCounts

TINY = ("tiny", "1")
CLASSES = ("red", "green", "blue")


def values(registry: CollectorRegistry) -> dict[tuple[str, ...], float]:
    """The samples by name and labels, without those of the time at which they were created."""
    samples = [sample for family in registry.collect() for sample in family.samples]
    return {
        (sample.name, *map(str, sorted({**sample.labels, "le": float(sample.labels.get("le", 0))}.items()))): round(
            sample.value, 3
        )
        for sample in samples
        if not sample.name.endswith("created")
    }


def test_detections_counted_together_give_the_metrics_of_those_counted_one_by_one() -> None:
    random = np.random.default_rng(0)
    scores = np.concatenate([random.random(500), SCORE_BUCKETS]).astype(np.float32)
    labels = random.integers(0, 2, len(scores)).astype(np.int32)  # nothing is blue
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    counts = DetectionCounts()
    ours.register(counts)
    found = Counter("singleshot_detections", "Objects found", ["model", "version", "label"], registry=theirs)
    names = ["model", "version"]
    histogram = Histogram("singleshot_detection_score", "s", names, buckets=SCORE_BUCKETS, registry=theirs)
    for part in (slice(0, 100), slice(0, 0), slice(100, None)):
        counts.observe(TINY, CLASSES, labels[part], scores[part])
    for label, score in zip(labels.tolist(), scores.tolist(), strict=True):
        found.labels(*TINY, CLASSES[label]).inc()
        histogram.labels(*TINY).observe(score)
    assert values(ours) == values(theirs)
    assert b"score_bucket" in generate_latest(ours)


def test_images_are_counted_whether_or_not_anybody_asks() -> None:
    counts = DetectionCounts()
    one_label, one_score = np.zeros(1, np.int32), np.full(1, 0.5, np.float32)
    for _ in range(3 * MAX_WAITING + 1):
        counts.observe(TINY, CLASSES, one_label, one_score)
        assert len(counts._waiting) < MAX_WAITING
    (sample,) = next(iter(counts.collect())).samples
    assert (sample.labels, sample.value) == ({"model": "tiny", "version": "1", "label": "red"}, 3 * MAX_WAITING + 1)


def test_a_model_whose_classes_change_keeps_its_counts() -> None:
    counts = DetectionCounts()
    for classes in (("red",), ("green",)):
        counts.observe(TINY, classes, np.zeros(2, np.int32), np.full(2, 0.5, np.float32))
    samples = next(iter(counts.collect())).samples
    assert {sample.labels["label"]: sample.value for sample in samples} == {"red": 2, "green": 2}


def test_the_counts_of_a_version_that_is_not_served_any_more_are_dropped() -> None:
    counts = DetectionCounts()
    for version in ("1", "2"):
        counts.observe(("tiny", version), CLASSES, np.zeros(2, np.int32), np.full(2, 0.5, np.float32))
    counts.forget("tiny", "1")
    assert {sample.labels["version"] for family in counts.collect() for sample in family.samples} == {"2"}
