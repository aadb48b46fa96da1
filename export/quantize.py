"""Adds to a bundle the form of its model in int8, if the form loses little enough accuracy."""

import math
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from tqdm import tqdm

from export.calibration import split_images, thinned
from export.errors import ExportError
from export.int8_model import quantise, require_nncf
from export.int8_trial import MEASURE, Int8Trial
from models.data.data_set import DataSet
from service.bundle import Bundle, Int8Form, add_int8
from service.detection.fit import fit

NUM_CALIBRATION_IMAGES = 300  # at most; more hardly change the ranges of the activations
NUM_RANKING_IMAGES = 100  # at most; they rank the layers


@dataclass(frozen=True)
class Added:
    """What was added to a bundle: a form of a model with `num_layers` layers. `fp32_ap` is in points."""

    bundle: Bundle
    form: Int8Form
    num_layers: int
    fp32_ap: float

    def __str__(self) -> str:
        path, num_int8 = self.bundle.path / self.form.file, self.num_layers - len(self.form.float_layers)
        return (
            f"{path}: {path.stat().st_size / 1e6:.1f} MB, {num_int8} of {self.num_layers} layers in int8; on "
            f"{self.form.num_images} images that were held out, {MEASURE} is {self.fp32_ap - self.form.loss:.2f}, and "
            f"{self.fp32_ap:.2f} in fp32"
        )


def quantize(bundle: Bundle, data_set: DataSet, *, max_loss: float, num_images: int) -> Added:
    """Quantise a bundle's model and add the form, which replaces an earlier one.

    Layers are given back to bf16 or fp32 until the form finds the golden detections and the mean AP50:95 loses at most
    `max_loss` points. A quarter of the images measures that, and the others calibrate; at most `num_images` of the data
    set are used. Raises ExportError, EngineError and DataError, and then the bundle is unchanged.
    """
    if not max_loss >= 0:
        raise ExportError(f"--max-loss is {max_loss:g}; it must be at least 0")
    if num_images < 1:
        raise ExportError(f"--images is {num_images}; it must be at least 1")
    require_nncf()
    for package in ("openvino", "onnxruntime"):  # one runs int8, and NNCF calibrates with the other
        if find_spec(package) is None:
            raise ExportError(f"{package} is not installed; install it with `pip install '.[cpu]'`")
    calibration, held_out = split_images(data_set, num_images)
    spec = bundle.manifest.input
    samples = thinned(calibration, NUM_CALIBRATION_IMAGES).samples
    images = [fit(s.decode(spec).pixels, spec) for s in tqdm(samples, "reading", unit="image", leave=False)]
    quantised = quantise(bundle.model_path.read_bytes(), images)
    with tempfile.TemporaryDirectory() as folder:
        few = thinned(held_out, NUM_RANKING_IMAGES)
        trial = Int8Trial(bundle, quantised, Path(folder), held_out, few)
        float_layers, loss = choose_float_layers(
            quantised.layers, loss=trial.loss, rank=trial.num_changed, max_loss=max_loss
        )
    form = Int8Form(
        data_set=f"{data_set.name}/{data_set.split}",
        num_images=len(held_out.samples),
        max_loss=max_loss,
        loss=round(loss, 3),
        float_layers=float_layers,
    )
    return Added(add_int8(bundle.path, form, quantised.form(float_layers)), form, len(quantised.layers), trial.fp32_ap)


def choose_float_layers(
    layers: Sequence[str],
    *,
    loss: Callable[[Sequence[str]], float],
    rank: Callable[[Sequence[str]], int],
    max_loss: float,
) -> tuple[tuple[str, ...], float]:
    """The layers to give back so that the loss is at most `max_loss`, and that loss. Prints what it finds.

    They are given back one after the other. `rank` is the number of detections that change if a layer alone is given
    back; the layer with the lowest goes first. Raises ExportError if no layer would remain in int8.
    """
    lost = loss(())
    print(f"all {len(layers)} layers in int8: {in_words(lost)}; {max_loss:g} points are allowed")
    if lost <= max_loss:
        return (), lost
    ranks = {layer: rank([layer]) for layer in tqdm(layers, "ranking the layers", unit="layer", leave=False)}
    ranked = sorted(layers, key=lambda layer: ranks[layer])
    for count in range(1, len(layers)):
        lost = loss(ranked[:count])
        print(f"layers given back: {count}, the last is {ranked[count - 1]}: {in_words(lost)}")
        if lost <= max_loss:
            return tuple(ranked[:count]), lost
    raise ExportError(
        f"with one layer in int8: {in_words(lost)}; {max_loss:g} points are allowed, so the bundle is unchanged; allow "
        "more with --max-loss, or serve the bundle without int8"
    )


def in_words(loss: float) -> str:
    """A loss in points, which is infinite if the golden detections are missed."""
    return f"{loss:.2f} points of {MEASURE} are lost" if math.isfinite(loss) else "it misses golden detections"
