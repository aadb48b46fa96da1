"""Compares OpenVINO and, with a checkpoint, torch with ONNX Runtime in fp32, in batches of 1 and 5 images."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from export.build import at_size
from export.graph import fold_and_round
from export.parity import CUT_OFF_MARGIN, ROUNDED_CUT_OFF_MARGIN, Difference, difference
from models.data.data_set import DataSet
from models.evaluation.evaluate import evaluate
from models.evaluation.torch_engine import TorchEngine
from models.training.checkpoint import load_model
from service.bundle import Bundle, InputSpec
from service.detection.decode import IMAGE_SUFFIXES, decode_image
from service.detection.fit import fit
from service.engines.open import open_engine
from service.engines.protocol import Candidates, Engine, describe
from service.errors import ImageError

BATCH_SIZES = (1, 5)
BOX_TOLERANCE = 1e-3  # pixels, of engines in fp32
SCORE_TOLERANCE = 1e-4
AP_TOLERANCE = 0.2  # points of AP50, of engines in any precision but int8, whose bound the bundle gives
MAX_PIXELS = 100_000_000
HEADER = f"{'engine':24}{'batch':>7}{'boxes (px)':>12}{'scores':>12}{'unpaired':>10}"

Opener = Callable[[], Engine]


class ParityError(Exception):
    """Engines that differ too much, or that cannot be compared; the message says which, and by how much or why."""


@dataclass(frozen=True)
class Comparison:
    """One engine's largest differences from the reference."""

    name: str
    is_fp32: bool
    by_batch: dict[int, Difference]  # batch size -> the candidates' largest differences
    ap_difference: float | None  # in points of AP50; None if it was not measured
    ap_tolerance: float = AP_TOLERANCE

    def lines(self) -> list[str]:
        """Rows of the table: engine, batch size, boxes, scores, boxes without a counterpart of the same label, AP50."""
        points = "" if self.ap_difference is None else f"{self.ap_difference:+10.2f}"
        return [
            f"{self.name:24}{size:7d}{found.boxes:12.2g}{found.scores:12.2g}{found.num_missing:10d}{points}"
            for size, found in self.by_batch.items()
        ]

    def faults(self) -> list[str]:
        """A text for each difference that exceeds its tolerance."""
        faults = []
        for size, found in self.by_batch.items():
            if self.is_fp32 and found.exceeds(BOX_TOLERANCE, SCORE_TOLERANCE):
                faults.append(
                    f"{self.name} at batch {size}: {found} (allowed: {BOX_TOLERANCE:g} px, {SCORE_TOLERANCE:g}, 0)"
                )
        if self.ap_difference is not None and not abs(self.ap_difference) <= self.ap_tolerance:
            allowed = f"(allowed: {self.ap_tolerance:g})"
            faults.append(f"{self.name}: AP50 differs by {self.ap_difference:+.2f} points {allowed}")
        return faults


def print_report(bundle: Bundle, folder: Path, checkpoint: Path | None, data_set: DataSet | None) -> None:
    """Print each engine's largest differences; raise ParityError if one exceeds its tolerance."""
    reference, others = openers(bundle, checkpoint)
    images = read_images(folder, bundle.manifest.input)
    print(HEADER + ("" if data_set is None else f"{'AP50':>10}"))
    faults = []
    for comparison in compare(bundle, reference, others, images, data_set):
        print("\n".join(comparison.lines()), flush=True)
        faults += comparison.faults()
    if faults:
        raise ParityError("beyond tolerance: " + "; ".join(faults))
    print(f"{len(images)} images, all within tolerance")
    if not find_spec("openvino"):
        print("OpenVINO is not installed and was not compared; install it with `pip install .[cpu]`")


def read_images(folder: Path, spec: InputSpec) -> NDArray[np.uint8]:
    """The images in a folder as the server fits them into the input: uint8 (N, H, W, 3). Raises ParityError."""
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    paths = [path for path in files if path.suffix.lower() in IMAGE_SUFFIXES]
    if not paths:
        suffixes = ", ".join(sorted(IMAGE_SUFFIXES))
        raise ParityError(f"{folder}: it has no images; --images takes a folder with files of {suffixes}")
    images = []
    for path in tqdm(paths, "reading", unit="image", leave=False):
        try:
            images.append(fit(decode_image(path.read_bytes(), target=spec, max_pixels=MAX_PIXELS).pixels, spec))
        except ImageError as error:
            raise ParityError(f"{path}: {error}; remove it from the folder") from error
    return np.stack(images)


def openers(bundle: Bundle, checkpoint: Path | None) -> tuple[Opener, list[Opener]]:
    """Functions that open the reference, and the engines to compare with it. Raises ParityError.

    With a `checkpoint`, its model in torch is one of these engines, with the weights that the export gives a bundle.
    """
    others: list[Opener] = []
    if checkpoint:
        trained = load_model(checkpoint)
        if trained.classes != bundle.manifest.classes:
            raise ParityError(
                f"{checkpoint}: its classes are {', '.join(trained.classes)}, those of {bundle.path} are "
                f"{', '.join(bundle.manifest.classes)}; give the checkpoint that the bundle was built from"
            )
        model = at_size(trained, bundle.manifest.input.height).model
        fold_and_round(model)
        others.append(lambda: TorchEngine(model))
    if find_spec("openvino"):
        others.append(lambda: open_engine(bundle, "openvino", precision="fp32"))
        # in bf16 if this CPU is faster in it
        others.append(lambda: open_engine(bundle.without_int8(), "openvino"))
        if bundle.manifest.int8:
            others.append(lambda: open_engine(bundle, "openvino", precision="int8"))
    return lambda: open_engine(bundle, "onnx"), others


def compare(
    bundle: Bundle, reference: Opener, others: list[Opener], images: NDArray[np.uint8], data_set: DataSet | None
) -> Iterator[Comparison]:
    """Compare the engines with `reference`, which runs images uint8 (N, H, W, 3) one at a time.

    The reference itself is compared too, because its larger batches may differ. An engine that opens in the same
    precision as an earlier one is skipped.
    """
    manifest = bundle.manifest
    with closing(reference()) as engine:
        expected = run(engine, images, 1)
    reference_ap = None
    compared: set[str] = set()
    for opener in (reference, *others):
        with closing(opener()) as engine:
            name = f"{engine.name} ({describe(engine)})"
            if name in compared:
                continue
            compared.add(name)
            is_fp32 = engine.precision == "fp32"
            tolerance = manifest.int8.max_loss if manifest.int8 and engine.precision == "int8" else AP_TOLERANCE
            margin = CUT_OFF_MARGIN if is_fp32 else ROUNDED_CUT_OFF_MARGIN
            found = {
                size: difference(expected, run(engine, images, size), manifest.input, margin) for size in BATCH_SIZES
            }
            ap = 100 * evaluate(engine, data_set, manifest.input, manifest.nms).mean_ap if data_set else None
        if reference_ap is None:
            reference_ap = ap
        points = None if ap is None or reference_ap is None else ap - reference_ap
        yield Comparison(name, is_fp32, found, points, tolerance)


def run(engine: Engine, images: NDArray[np.uint8], batch_size: int) -> Candidates:
    """Run images (N, H, W, 3) in batches and return all candidates. The first images fill up the last batch."""
    parts = []
    starts = range(0, len(images), batch_size)
    for start in tqdm(starts, f"{engine.name}, batch {batch_size}", unit="batch", leave=False):
        parts.append(engine(images[np.arange(start, start + batch_size) % len(images)]))
    count = len(images)
    return Candidates(
        np.concatenate([part.boxes for part in parts])[:count],
        np.concatenate([part.scores for part in parts])[:count],
        np.concatenate([part.labels for part in parts])[:count],
    )
