"""Measures AP of a bundle or of a running server, with the server's own pre- and post-processing."""

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import numpy as np

from models.data.data_set import DataSet
from models.evaluation.evaluate import MAX_DETECTIONS, SCORE_THRESHOLD, evaluate, score
from models.evaluation.report import Evaluation
from service.bundle import read_bundle
from service.detection.postprocess import Detections
from service.engines.open import open_engine
from service.engines.protocol import EngineName, Precision

Reader = Callable[[tuple[str, ...]], DataSet]
"""Reads the data set with the given classes, which only the model knows."""


class ServerError(Exception):
    """A server that cannot be measured; the message names it and quotes its answer."""


def evaluate_bundle(path: Path, read: Reader, engine_name: EngineName, precision: Precision = "auto") -> Evaluation:
    """AP of the bundle in `path` on a data set."""
    bundle = read_bundle(path)
    data_set = read(bundle.manifest.classes)
    return evaluate(
        open_engine(bundle, engine_name, precision=precision), data_set, bundle.manifest.input, bundle.manifest.nms
    )


def evaluate_server(url: str, model: str | None, read: Reader) -> tuple[Evaluation, str]:
    """AP of a model on a running server, and its name; None means the server's first model. Raises ServerError."""
    with httpx.Client(base_url=url, timeout=60) as client:
        try:
            served = client.get("/models").raise_for_status().json()["models"]
            entry = next((m for m in served if model in (None, m["name"])), None)
            if entry is None:
                raise ServerError(f"{url}: no model {model!r}; it serves {', '.join(m['name'] for m in served)}")
            data_set = read(tuple(entry["classes"]))
            evaluation = score(data_set, detect_by_http(client, entry["name"], data_set))
        except httpx.HTTPStatusError as error:
            raise ServerError(
                f"{error.request.url}: {error.response.status_code}: {error.response.text[:300]}"
            ) from error
        except httpx.TransportError as error:
            raise ServerError(f"{url}: no answer ({error}); is the server running there?") from error
    return evaluation, f"{entry['name']} at {url}"


def detect_by_http(client: httpx.Client, model: str, data_set: DataSet) -> Iterator[Detections]:
    """Send each image's file to the server and yield its detections, in order."""
    parameters = {"model": model, "score_threshold": str(SCORE_THRESHOLD), "max_detections": str(MAX_DETECTIONS)}
    for sample in data_set.samples:
        response = client.post("/detect", params=parameters, content=sample.image_path.read_bytes()).raise_for_status()
        detections = response.json()["results"][0]["detections"]
        boxes = [[d["box"][side] for side in ("x1", "y1", "x2", "y2")] for d in detections]
        yield Detections(
            np.array(boxes, dtype=np.float32).reshape(-1, 4),
            np.array([d["score"] for d in detections], dtype=np.float32),
            np.array([d["class_id"] for d in detections], dtype=np.int32),
        )
