"""A second version of the tiny bundle, whose boxes are shifted."""

from pathlib import Path

import numpy as np
import onnx

from service.bundle import GOLDEN, MODEL, Bundle, write_bundle
from tests.tiny_bundle import golden_image, png, tiny_model, write_tiny_bundle

SHIFT = 3  # pixels to the right: an IoU of 13 / 19 with the boxes of the first version


def write_shifted_bundle(path: Path) -> Bundle:
    """Write version 2 of the model `tiny`, which finds the same squares `SHIFT` pixels further right."""
    manifest = write_tiny_bundle(path, version="2").manifest
    moved = tuple(
        found.model_copy(update={"box": (found.box[0] + SHIFT, found.box[1], found.box[2] + SHIFT, found.box[3])})
        for found in manifest.golden.detections
    )
    golden = manifest.golden.model_copy(update={"detections": moved})
    model = tiny_model()
    (boxes,) = (constant for constant in model.graph.initializer if constant.name == "block_boxes")
    shifted = onnx.numpy_helper.to_array(boxes) + np.array([SHIFT, 0, SHIFT, 0], np.float32)
    boxes.CopyFrom(onnx.numpy_helper.from_array(shifted, "block_boxes"))
    files = {MODEL: model.SerializeToString(), GOLDEN: png(golden_image())}
    return write_bundle(path, manifest.model_copy(update={"golden": golden}), files)
