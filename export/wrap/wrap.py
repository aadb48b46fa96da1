"""Makes a bundle of another project's ONNX detector."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from tqdm import tqdm

from export.errors import ExportError
from export.golden import golden_detections, png
from export.half_model import write_with_half_model
from export.manifest import draft_manifest
from export.parity import Difference
from export.wrap import by_hand
from export.wrap.assembly import BATCHINGS, Batching, assemble, batchings_of, decoding
from export.wrap.checks import check_agreement, check_numbers, doubts, joined
from export.wrap.decoders import Activation
from export.wrap.foreign_model import ForeignModel
from export.wrap.kinds import KindName
from export.wrap.layout import Layout, Task, layout_of
from export.wrap.normalisation import Normalisation
from service.bundle import (
    GOLDEN,
    MODEL,
    Bundle,
    Golden,
    InputSpec,
    Manifest,
    NmsDefaults,
    Source,
    check_replaceable,
    sha256_of,
)
from service.detection.decode import decode_image
from service.detection.fit import fit
from service.engines.open import open_engine
from service.engines.protocol import Candidates, EngineError
from service.errors import ImageError

MAX_PIXELS = 100_000_000
STEPS = ("running the model", "tracing its decoding", "comparing the graph with the model", "writing the bundle")


@dataclass(frozen=True)
class Wish:
    """What the user says of a model. `classes` of None are in its metadata, and a `size` of None is its own."""

    kind: KindName
    classes: tuple[str, ...] | None
    golden: Path
    name: str
    version: str
    nms: NmsDefaults
    normalisation: Normalisation
    resize: Literal["stretch", "letterbox"]
    size: tuple[int, int] | None = None
    activation: Activation | None = None


@dataclass(frozen=True)
class Wrapped:
    """A finished bundle. `parity` is the difference of its graph from the model, run and decoded by hand.

    `half_problem` is the reason if there is no fp16 form for GPUs; `doubt` is set if the boxes look wrong.
    """

    bundle: Bundle
    model: ForeignModel
    layout: Layout
    batching: Batching
    parity: Difference
    half_problem: str | None
    doubt: str | None


@dataclass(frozen=True)
class Graph:
    """The graph of a bundle, its way to take several images, and its difference from the original model."""

    content: bytes
    batching: Batching
    parity: Difference


def wrap(path: Path, out: Path, wish: Wish) -> Wrapped:
    """Wrap the ONNX model in the file `path` as the bundle `out`. Raises ExportError, and then leaves no files."""
    check_replaceable(out)
    with tqdm(total=len(STEPS), unit="step", leave=False, disable=None) as bar:
        bar.set_description(STEPS[0])
        model = ForeignModel(path)
        classes = wish.classes or model.class_names()
        height, width = model.size(wish.size)
        spec = InputSpec(height=height, width=width, resize=wish.resize)
        golden = read_golden(wish.golden, spec)
        images = np.stack([golden, golden[:, ::-1], noise(spec)])
        outputs = [model.run(by_hand.feeds(model, wish.normalisation, image)) for image in images]
        layout = layout_of(wish.kind, outputs[0], Task(len(classes), height, width, wish.activation))
        reference = joined(
            [by_hand.candidates(layout.decoder, [found[name] for name in layout.outputs]) for found in outputs]
        )
        check_numbers(reference, len(classes))
        manifest = draft_manifest(
            name=wish.name,
            version=wish.version,
            classes=classes,
            spec=spec,
            max_candidates=layout.decoder.max_candidates,
            nms=wish.nms,
            source=Source(preset=f"wrapped {layout.kind}", checkpoint_sha256=sha256_of(path), data_set="unknown"),
        )
        bar.update()
        bar.set_description(STEPS[1])
        decoder = decoding(layout, outputs[0])
        bar.update()
        bar.set_description(STEPS[2])
        graph = agreeing_graph(model, wish.normalisation, manifest, layout, decoder, images, reference)
        manifest, doubt = with_golden(manifest, graph, golden)
        bar.update()
        bar.set_description(STEPS[3])
        bundle, half_problem = write_with_half_model(out, manifest, {MODEL: graph.content, GOLDEN: png(golden)})
        bar.update()
    return Wrapped(bundle, model, layout, graph.batching, graph.parity, half_problem, doubt)


def agreeing_graph(
    model: ForeignModel,
    normalisation: Normalisation,
    manifest: Manifest,
    layout: Layout,
    decoder: onnx.ModelProto,
    images: NDArray[np.uint8],
    reference: Candidates,
) -> Graph:
    """The first graph that gives the candidates of `reference` for `images`; raises ExportError if none does."""
    faults = []
    for batching in batchings_of(model, layout):
        content = assemble(model, normalisation, manifest.input, layout, decoder, batching).SerializeToString()
        with tempfile.TemporaryDirectory() as folder:
            draft = Bundle(Path(folder), manifest)
            draft.model_path.write_bytes(content)
            try:
                parity = check_agreement(reference, open_engine(draft, "onnx"), images)
            except (EngineError, ExportError) as error:
                faults.append(f"{BATCHINGS[batching]}: {str(error).replace(str(draft.path), str(model.path))}")
                continue
        return Graph(content, batching, parity)
    raise ExportError(f"{model.path}: no graph around it gives its own answers; {'; '.join(faults)}")


def with_golden(manifest: Manifest, graph: Graph, golden: NDArray[np.uint8]) -> tuple[Manifest, str | None]:
    """The manifest with the detections in the golden image, and the reason if their boxes look wrong.

    Raises ExportError if no detection reaches the score threshold.
    """
    with tempfile.TemporaryDirectory() as folder:
        draft = Bundle(Path(folder), manifest)
        draft.model_path.write_bytes(graph.content)
        engine = open_engine(draft, "onnx")
        candidates = engine(golden[None])
        detections = golden_detections(engine, golden, manifest.input, manifest.nms)
        engine.close()
    threshold = manifest.nms.score_threshold
    doubt = doubts(candidates.boxes[0, candidates.scores[0] >= threshold], manifest.input)
    if not any(detection.score >= threshold for detection in detections):
        if doubt:
            raise ExportError(f"the golden image has no detection: {doubt}; check --kind")
        raise ExportError(
            f"the model detects nothing in the golden image: its best score is {candidates.scores.max():.3g}, and "
            f"--score-threshold is {threshold:g}; give an image of what it detects, or check --kind, --scale, "
            "--channels, --mean and --std"
        )
    return manifest.model_copy(update={"golden": Golden(detections=detections)}), doubt


def read_golden(path: Path, spec: InputSpec) -> NDArray[np.uint8]:
    """The golden image as the server fits it into the input; raises ExportError."""
    try:
        return fit(decode_image(path.read_bytes(), target=spec, max_pixels=MAX_PIXELS).pixels, spec)
    except (ImageError, OSError) as error:
        raise ExportError(f"{path}: {error}; --golden takes an image in which the model detects something") from error


def noise(spec: InputSpec) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (spec.height, spec.width, 3), dtype=np.uint8)
