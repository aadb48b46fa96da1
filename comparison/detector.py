"""The detector that each compared server runs: same bundle, same engine on one thread, same steps around the engine."""

import os
from collections.abc import Sequence

import cv2
import numpy as np
from pydantic_core import to_json

from service.bundle import read_bundle
from service.cores import num_cores
from service.detection.pipeline import Pipeline
from service.detection.postprocess import Detections, postprocess_batch
from service.detection.rows import rows_of
from service.engines.open import open_engine
from service.settings import DEFAULT_BUNDLES

BUNDLE = DEFAULT_BUNDLES / "bccd-passd-320"
NUM_WORKERS = num_cores()  # one process for each core, each with an engine of one thread
# The settings of a server that peers.py varies. With one thread an engine gains little from a batch, and each image
# waits for the whole batch. So batches are small, and servers wait only shortly to fill them.
MAX_BATCH = int(os.environ.get("COMPARISON_MAX_BATCH", "4"))
USES_THREADS = os.environ.get("COMPARISON_USES_THREADS") == "1"
WINDOW_MS = 1


class Detector:
    """Image files in, JSON answers out."""

    def __init__(self, *, num_threads: int = 1) -> None:
        cv2.setNumThreads(1)
        bundle = read_bundle(BUNDLE)
        self._pipeline = Pipeline(bundle, open_engine(bundle, num_threads=num_threads))
        self.engine = f"{self._pipeline.engine.name} in {self._pipeline.engine.precision}"
        for size in range(1, MAX_BATCH + 1):
            self([bundle.golden_path.read_bytes()] * size)

    def __call__(self, files: Sequence[bytes]) -> list[bytes]:
        """Decode the files, run them as one batch, apply soft-NMS -> for each file its JSON, in the form of /detect."""
        pipeline = self._pipeline
        prepared = [pipeline.prepare(file) for file in files]
        candidates = pipeline.engine(np.stack([pixels for pixels, _ in prepared]))
        sizes = [size for _, size in prepared]
        detections = postprocess_batch(candidates, pipeline.options, pipeline.spec, sizes)
        return [self._answer(found, size) for found, size in zip(detections, sizes, strict=True)]

    def _answer(self, found: Detections, size: tuple[int, int]) -> bytes:
        manifest = self._pipeline.bundle.manifest
        detections = rows_of(manifest.classes, found)
        result = {"filename": None, "width": size[1], "height": size[0], "detections": detections}
        return to_json({"model": manifest.name, "results": [result]})
