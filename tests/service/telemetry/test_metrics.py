"""The histogram of scores, against prometheus_client's own."""

import numpy as np
from prometheus_client import CollectorRegistry, Histogram, generate_latest

from service.telemetry.metrics import SCORE_BUCKETS, ScoreHistogram


def test_scores_counted_at_once_give_the_histogram_of_scores_counted_one_by_one() -> None:
    scores = np.concatenate([np.random.default_rng(0).random(500), SCORE_BUCKETS]).astype(np.float32)
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    histogram = ScoreHistogram("score", "s")
    ours.register(histogram)
    plain = Histogram("score", "s", ["model"], buckets=SCORE_BUCKETS, registry=theirs)
    for part in (scores[:100], scores[:0], scores[100:]):
        histogram.observe("tiny", part)
    for score in scores.tolist():
        plain.labels("tiny").observe(score)

    def values(registry: CollectorRegistry) -> dict[tuple[str, float], float]:
        samples = [sample for family in registry.collect() for sample in family.samples]
        return {
            (sample.name, float(sample.labels.get("le", 0))): round(sample.value, 3)
            for sample in samples
            if not sample.name.endswith("created")
        }

    assert values(ours) == values(theirs)
    assert b"score_bucket" in generate_latest(ours)
