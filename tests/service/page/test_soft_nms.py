"""The page's soft-NMS gives the same results as the server's."""

from typing import Any, get_args

import numpy as np
import pytest
from playwright.sync_api import Page

from service.detection.soft_nms import Method, soft_nms

RANK = """async (cases) => {
    const { softNms } = await import(new URL("page/detections/soft_nms.js", document.baseURI));
    return cases.map(([candidates, settings]) => softNms(candidates, settings));
}"""


def test_soft_nms_in_the_browser_equals_the_servers(page: Page) -> None:
    random = np.random.default_rng(0)
    cases: list[Any] = []
    expected = []
    for method in get_args(Method) * 20:
        size = int(random.integers(0, 60))
        corners = random.integers(0, 40, (size, 2))
        boxes = np.concatenate([corners, corners + random.integers(0, 30, (size, 2))], axis=1).astype(np.float32)
        scores = np.sort(random.random(size, np.float32))[::-1]
        labels = random.integers(0, 3, size).astype(np.int32)
        sigma, overlap, threshold = (random.uniform(low, high) for low, high in ((0.05, 2.0), (0.0, 1.0), (0.0, 0.5)))
        candidates = {"boxes": boxes.tolist(), "scores": scores.tolist(), "labels": labels.tolist()}
        ranking = {
            "method": method,
            "sigma": sigma,
            "iouThreshold": overlap,
            "scoreThreshold": threshold,
            "maxDetections": 40,
        }
        cases.append([candidates, ranking])
        kept_and_scores = soft_nms(
            boxes,
            scores,
            labels,
            method=method,
            sigma=sigma,
            iou_threshold=overlap,
            score_threshold=threshold,
            max_detections=40,
        )
        expected.append(kept_and_scores)
    assert sum(len(kept) for kept, _ in expected) > 500
    for got, (kept, scores) in zip(page.evaluate(RANK, cases), expected, strict=True):
        assert [found["index"] for found in got] == kept.tolist()
        assert [found["score"] for found in got] == pytest.approx(scores.tolist(), abs=1e-6)
