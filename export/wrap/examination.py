"""What wrap learns about a detector by running it: its layout, its answers, and whether they make sense."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from export.card import GivenCard
from export.errors import ExportError
from export.golden import golden_detections
from export.manifest import draft_manifest
from export.wrap import by_hand
from export.wrap.checks import Tolerance, check_numbers, doubts, joined
from export.wrap.decoders import Activation
from export.wrap.foreign_model import ForeignModel, Outputs
from export.wrap.kinds import KINDS, KindName, NmsMethod
from export.wrap.layout import Layout, Task, layout_of
from export.wrap.normalisation import Normalisation
from service.bundle import Golden, InputSpec, Manifest, NmsDefaults, Resize, Source, sha256_of
from service.detection.decode import decode_image
from service.detection.fit import fit
from service.engines.protocol import Candidates
from service.errors import ImageError

MAX_PIXELS = 100_000_000


@dataclass(frozen=True)
class Wish:
    """What the user says of a model.

    `classes` of None are in its metadata, a `size` of None is its own, and an `nms` of None depends on its kind.
    """

    kind: KindName
    classes: tuple[str, ...] | None
    golden: Path
    name: str
    version: str
    nms: NmsMethod | None
    score_threshold: float
    normalisation: Normalisation
    resize: Resize
    size: tuple[int, int] | None = None
    activation: Activation | None = None
    card: GivenCard | None = None


@dataclass(frozen=True)
class Examined:
    """A detector that can be wrapped, and the manifest of its bundle, without files.

    images uint8 (B, H, W, 3) are the golden image and others; `outputs` are the model's for the golden image, and
    `reference` are the candidates in all images, decoded by hand. `doubt` says why the boxes look wrong, if they do.
    """

    model: ForeignModel
    normalisation: Normalisation
    layout: Layout
    manifest: Manifest
    images: NDArray[np.uint8]
    outputs: Outputs
    reference: Candidates
    tolerance: Tolerance
    doubt: str | None


def examine(path: Path, wish: Wish) -> Examined:
    """Run the ONNX model in the file `path` on the golden image, its mirror image and noise; raises ExportError."""
    model = ForeignModel(path)
    task = model.metadata.get("task", "detect")  # of Ultralytics' models
    if task != "detect":
        raise ExportError(f"{path}: its metadata say that its task is {task}; take a model of the task detect")
    classes = wish.classes or model.class_names()
    height, width = model.size(wish.size)
    spec = InputSpec(height=height, width=width, resize=wish.resize)
    golden = read_golden(wish.golden, spec)
    images = np.stack([golden, golden[:, ::-1], noise(spec)])
    outputs = [model.run(by_hand.feeds(model, wish.normalisation, image)) for image in images]
    layout = layout_of(wish.kind, outputs[0], Task(len(classes), height, width, wish.activation))
    check_count(path, layout, outputs)
    found = [by_hand.candidates(layout.decoder, [output[name] for name in layout.outputs]) for output in outputs]
    for output, candidates in zip(outputs, found, strict=True):
        check_numbers([output[name] for name in layout.outputs], candidates, len(classes))
    nms = nms_of(wish.nms or ("none" if KINDS[layout.kind].has_nms else "gaussian"), wish.score_threshold)
    manifest = draft_manifest(
        name=wish.name,
        version=wish.version,
        classes=classes,
        spec=spec,
        max_candidates=layout.decoder.max_candidates,
        nms=nms,
        source=Source(preset=f"wrapped {layout.kind}", checkpoint_sha256=sha256_of(path), data_set="unknown"),
    )
    is_likely = found[0].scores[0] >= nms.score_threshold
    doubt = doubts(found[0].boxes[0, is_likely], spec)
    return Examined(
        model=model,
        normalisation=wish.normalisation,
        layout=layout,
        manifest=manifest.model_copy(update={"golden": golden_of(manifest, found[0], doubt)}),
        images=images,
        outputs=outputs[0],
        reference=joined(found),
        tolerance=Tolerance.of(is_half=model.is_half, spec=spec),
        doubt=doubt,
    )


def check_count(path: Path, layout: Layout, outputs: Sequence[Outputs]) -> None:
    """Raise ExportError if a model with a batch axis gives another number of boxes for each image."""
    for name in layout.outputs:
        shapes = [list(output[name].shape) for output in outputs]
        if layout.kind != "torchvision" and any(shape != shapes[0] for shape in shapes):
            raise ExportError(
                f"{path}: its output {name} is {' or '.join(map(str, shapes))}, by the image; export it with a fixed "
                "number of boxes, such as those before NMS"
            )


def nms_of(method: NmsMethod, score_threshold: float) -> NmsDefaults:
    """The server's NMS. None at all is hard NMS with an IoU threshold of 1, which no pair of boxes exceeds."""
    defaults = NmsDefaults(method="hard", iou_threshold=1) if method == "none" else NmsDefaults(method=method)
    try:
        return NmsDefaults.model_validate(defaults.model_dump() | {"score_threshold": score_threshold})
    except ValidationError as error:
        raise ExportError(f"--score-threshold {score_threshold}: {error.errors()[0]['msg']}") from error


def golden_of(manifest: Manifest, candidates: Candidates, doubt: str | None) -> Golden:
    """The golden detections; raises ExportError if none reaches the score threshold."""
    detections = golden_detections(candidates.of_image(0), manifest.input, manifest.nms)
    threshold = manifest.nms.score_threshold
    if not any(detection.score >= threshold for detection in detections):
        if doubt:
            raise ExportError(f"there is no detection in the golden image: {doubt}; check --kind")
        raise ExportError(
            f"the model detects nothing in the golden image: its best score is {candidates.scores.max():.3g}, and "
            f"--score-threshold is {threshold:g}; give an image of what it detects, or check --kind, --scale, "
            "--channels, --mean and --std"
        )
    return Golden(detections=detections)


def read_golden(path: Path, spec: InputSpec) -> NDArray[np.uint8]:
    """The golden image as the server fits it into the input; raises ExportError."""
    try:
        return fit(decode_image(path.read_bytes(), target=spec, max_pixels=MAX_PIXELS).pixels, spec)
    except (ImageError, OSError) as error:
        raise ExportError(f"{path}: {error}; --golden takes an image in which the model detects something") from error


def noise(spec: InputSpec) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (spec.height, spec.width, 3), dtype=np.uint8)
