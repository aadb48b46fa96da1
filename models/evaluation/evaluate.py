"""Average precision of any detector: a checkpoint, the engine of a bundle, a running server."""

from collections.abc import Iterator, Sequence

import numpy as np
from tqdm import tqdm

from models.data.data_set import DataSet, Sample
from models.evaluation.average_precision import ImageResult
from models.evaluation.report import Evaluation
from service.bundle import InputSpec, NmsDefaults
from service.detection.fit import fit
from service.detection.postprocess import Detections, Options, default_options, postprocess_batch
from service.engines.protocol import Engine

MAX_DETECTIONS = 200  # PASSD §6.2
SCORE_THRESHOLD = 0.01  # PASSD §6.2
BATCH_SIZE = 8


def evaluation_options(nms: NmsDefaults) -> Options:
    """The NMS options for evaluation: all detections with scores above 0.01 count, up to 200, as in the paper."""
    return default_options(
        nms.model_copy(update={"score_threshold": SCORE_THRESHOLD, "max_detections": MAX_DETECTIONS})
    )


def evaluate(engine: Engine, data_set: DataSet, spec: InputSpec, nms: NmsDefaults | None = None) -> Evaluation:
    """AP of an engine with the server's own pre- and post-processing."""
    options = evaluation_options(nms or NmsDefaults())
    found = detect_all(engine, data_set.samples, spec, options)
    return score(data_set, found)


def detect_all(
    engine: Engine, samples: Sequence[Sample], spec: InputSpec, options: Options, batch_size: int = BATCH_SIZE
) -> Iterator[Detections]:
    """The detections in each sample's image, in order."""
    for start in range(0, len(samples), batch_size):
        images = [sample.decode(spec) for sample in samples[start : start + batch_size]]
        candidates = engine(np.stack([fit(image.pixels, spec) for image in images]))
        yield from postprocess_batch(candidates, options, spec, [(image.height, image.width) for image in images])


def score(data_set: DataSet, found: Iterator[Detections]) -> Evaluation:
    """Compare the detections of each image of a data set, in order, with its objects; shows a progress bar."""
    results = []
    pairs = zip(data_set.samples, found, strict=True)
    for sample, detections in tqdm(
        pairs, f"evaluating {data_set.split}", len(data_set.samples), unit="image", leave=False
    ):
        results.append(
            ImageResult(
                detections.boxes, detections.scores, detections.labels, sample.boxes, sample.labels, sample.is_uncounted
            )
        )
    return Evaluation(data_set, results)
