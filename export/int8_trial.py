"""Runs forms of a bundle's model in int8 before one of them becomes a part of the bundle."""

import math
import shutil
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from export.int8_model import QuantisedModel
from models.data.data_set import DataSet
from models.evaluation.evaluate import detect_all, evaluate
from service.bundle import Bundle, Golden, GoldenDetection, Int8Form
from service.detection.golden import GoldenError, check_golden, unmatched
from service.detection.postprocess import Detections, default_options
from service.engines.open import open_engine
from service.engines.protocol import Engine, Precision

MEASURE = "AP50:95"


class Int8Trial:
    """A copy of a bundle in `folder`, which OpenVINO runs as a server on this machine would.

    `held_out` are the images that measure a form, and `few` those of them that rank its layers. `float_layers` are the
    layers that are not in int8. They are in bf16 if this CPU is faster in it, else in fp32.
    """

    def __init__(
        self, bundle: Bundle, quantised: QuantisedModel, folder: Path, held_out: DataSet, few: DataSet
    ) -> None:
        self._bundle = bundle
        self._quantised = quantised
        self._folder = folder
        self._held_out = held_out
        self._few = few
        for path in (bundle.model_path, bundle.golden_path):
            shutil.copy(path, folder)
        self.fp32_ap = self.ap("fp32")
        self._expected = [as_golden(found) for found in self._detections("fp32", ())]

    def ap(self, precision: Precision, float_layers: Sequence[str] = ()) -> float:
        """The mean AP50:95 in points."""
        manifest = self._bundle.manifest
        with closing(self._open(precision, float_layers)) as engine:
            return 100 * evaluate(engine, self._held_out, manifest.input, manifest.nms).measures[MEASURE]

    def loss(self, float_layers: Sequence[str]) -> float:
        """The loss of int8, in points; infinite if it misses golden detections, because a server would refuse it."""
        with closing(self._open("int8", float_layers)) as engine:
            try:
                check_golden(self._bundle, engine)
            except GoldenError:
                return math.inf
        return self.fp32_ap - self.ap("int8", float_layers)

    def num_changed(self, float_layers: Sequence[str]) -> int:
        """The number of detections in fp32 that int8 does not find with nearly the same box and score."""
        found = self._detections("int8", float_layers)
        return sum(len(unmatched(golden, own)) for golden, own in zip(self._expected, found, strict=True))

    def _detections(self, precision: Precision, float_layers: Sequence[str]) -> list[Detections]:
        """The detections in the few images, with the bundle's NMS defaults."""
        manifest = self._bundle.manifest
        with closing(self._open(precision, float_layers)) as engine:
            return list(detect_all(engine, self._few.samples, manifest.input, default_options(manifest.nms)))

    def _open(self, precision: Precision, float_layers: Sequence[str]) -> Engine:
        form = Int8Form(data_set="none", num_images=1, max_loss=0, loss=0)
        (self._folder / form.file).write_bytes(self._quantised.form(float_layers))
        draft = Bundle(self._folder, self._bundle.manifest.model_copy(update={"int8": form}))
        return open_engine(draft, "openvino", precision=precision)


def as_golden(found: Detections) -> Golden:
    """The detections in an image, to compare others with them."""
    rows = zip(found.labels.tolist(), found.scores.tolist(), found.boxes.tolist(), strict=True)
    return Golden(detections=tuple(GoldenDetection(label=label, score=score, box=box) for label, score, box in rows))
