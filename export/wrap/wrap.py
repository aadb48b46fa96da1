"""Makes a bundle of another project's ONNX detector."""

import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import onnx
from tqdm import tqdm

from export.errors import ExportError
from export.golden import png
from export.half_model import write_with_half_model
from export.parity import Difference
from export.wrap.assembly import BATCHINGS, Batching, assemble, batchings_of, decoding
from export.wrap.checks import check_agreement, check_batch
from export.wrap.examination import Examined, Wish, examine
from service.bundle import GOLDEN, MODEL, Bundle, check_replaceable
from service.detection.golden import GoldenError, check_golden
from service.engines.open import open_engine
from service.engines.protocol import EngineError

STEPS = ("running the model", "tracing the decoding", "comparing the graph with the model", "writing the bundle")


@dataclass(frozen=True)
class Graph:
    """The graph of a bundle, its way to take several images, and its difference from the model, decoded by hand."""

    content: bytes
    batching: Batching
    parity: Difference


@dataclass(frozen=True)
class Wrapped:
    """A finished bundle; `half_problem` is the reason if it has no fp16 form for GPUs."""

    bundle: Bundle
    examined: Examined
    graph: Graph
    half_problem: str | None


def wrap(path: Path, out: Path, wish: Wish) -> Wrapped:
    """Wrap the ONNX model in the file `path` as the bundle `out`. Raises ExportError, and then leaves no files."""
    check_replaceable(out)
    steps = iter(STEPS)
    with tqdm(total=len(STEPS), desc=next(steps), unit="step", leave=False, disable=None) as bar:
        examined = examine(path, wish)
        advance(bar, next(steps))
        decoder = None if examined.layout.kind == "candidates" else decoding(examined.layout, examined.outputs)
        advance(bar, next(steps))
        graph = agreeing_graph(examined, decoder)
        advance(bar, next(steps))
        manifest, files = examined.manifest, {MODEL: graph.content, GOLDEN: png(examined.images[0])}
        if wish.card:
            manifest, files = wish.card.put_in(manifest), files | dict(wish.card.files)
        bundle, half_problem = write_with_half_model(out, manifest, files)
    return Wrapped(bundle, examined, graph, half_problem)


def advance(bar: tqdm, description: str) -> None:
    bar.update()
    bar.set_description(description)


def agreeing_graph(examined: Examined, decoder: onnx.ModelProto | None) -> Graph:
    """The first graph that gives the model's own candidates for several images; raises ExportError if none does."""
    path, faults = examined.model.path, []
    for batching in batchings_of(examined.model, examined.layout):
        content = assemble(examined, decoder, batching).SerializeToString()
        with tempfile.TemporaryDirectory() as folder:
            draft = Bundle(Path(folder), examined.manifest)
            draft.model_path.write_bytes(content)
            draft.golden_path.write_bytes(png(examined.images[0]))
            try:
                check_batch(content, examined.images)
                engine = open_engine(draft, "onnx")
                tolerance = examined.tolerance.in_a_loop() if batching == "in a loop" else examined.tolerance
                parity = check_agreement(examined.reference, engine, examined.images, tolerance)
            except (EngineError, ExportError) as error:
                faults.append(f"{BATCHINGS[batching]}: {str(error).replace(str(draft.model_path), str(path))}")
                continue
            check_golden_again(draft, examined)
        return Graph(content, batching, parity)
    raise ExportError(f"{path}: no graph around it gives its own answers; {'; '.join(faults)}")


def check_golden_again(draft: Bundle, examined: Examined) -> None:
    """Raise ExportError unless a server would find the golden detections; it may miss those that are tiny."""
    with closing(open_engine(draft, "onnx")) as engine:
        try:
            check_golden(draft, engine)
        except GoldenError as error:
            doubt = f": {examined.doubt}" if examined.doubt else ""
            raise ExportError(
                f"{examined.model.path}: a server would not find all its detections in the golden image again{doubt}; "
                "give an image with larger objects, or check --kind, --scale, --channels, --mean and --std"
            ) from error
