"""Exports a checkpoint as a bundle and checks that its graph agrees with torch."""

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from export.card import GivenCard
from export.errors import ExportError
from export.golden import golden_detections, png
from export.graph import ExportGraph, fold_and_round
from export.half_model import write_with_half_model
from export.manifest import draft_manifest
from export.parity import Difference, difference
from export.to_onnx import to_onnx
from models.data.data_set import DataSet
from models.evaluation.evaluate import evaluate
from models.evaluation.torch_engine import TorchEngine
from models.presets.preset import PresetError
from models.training.checkpoint import TrainedModel
from service.bundle import GOLDEN, MODEL, Bundle, Golden, InputSpec, NmsDefaults, Source, sha256_of
from service.detection.fit import fit
from service.engines.open import open_engine
from service.engines.protocol import Engine

BOX_TOLERANCE = 1e-2  # pixels
SCORE_TOLERANCE = 1e-4


@dataclass(frozen=True)
class Built:
    """A finished bundle, and how much its candidates in ONNX Runtime differ from torch's.

    `half_problem` is the reason if the bundle has no fp16 form for GPUs.
    """

    bundle: Bundle
    parity: Difference
    half_problem: str | None


def build(
    trained: TrainedModel,
    out: Path,
    *,
    name: str,
    version: str,
    nms: NmsDefaults,
    data_set: DataSet | None = None,
    input_size: int | None = None,
    card: GivenCard | None = None,
) -> Built:
    """Export a checkpoint's model as the bundle `out`. Raises ExportError, and then leaves no files behind.

    Without an `input_size`, `trained.model` is changed in place: its batch norms are folded and its filters rounded. If
    there is a `data_set`, of the same classes, the manifest records the AP of the exported graph on it.
    """
    trained = at_size(trained, input_size)
    spec = trained.model.config.input_spec
    manifest = draft_manifest(
        name=name,
        version=version,
        classes=trained.classes,
        spec=spec,
        max_candidates=trained.model.config.max_candidates,
        nms=nms,
        source=Source(preset=trained.preset.name, checkpoint_sha256=sha256_of(trained.path), data_set=trained.data_set),
    )
    fold_and_round(trained.model)
    model = to_onnx(ExportGraph(trained.model, trained.model.config.max_candidates), spec).SerializeToString()
    golden = trained.golden.numpy()
    with tempfile.TemporaryDirectory() as folder:
        draft = Bundle(Path(folder), manifest)
        draft.model_path.write_bytes(model)
        engine = open_engine(draft, "onnx")
        parity = check_parity(trained, engine, spec)
        expected = Golden(detections=golden_detections(engine(golden[None]).of_image(0), spec, nms))
        metrics = {}
        if data_set:
            metrics[f"{data_set.name}/{data_set.split} AP50"] = round(evaluate(engine, data_set, spec, nms).mean_ap, 5)
        engine.close()
    manifest = manifest.model_copy(update={"golden": expected, "metrics": metrics})
    files = {MODEL: model, GOLDEN: png(golden)}
    if card:
        manifest, files = card.put_in(manifest), files | dict(card.files)
    bundle, half_problem = write_with_half_model(out, manifest, files)
    return Built(bundle, parity, half_problem)


def at_size(trained: TrainedModel, input_size: int | None) -> TrainedModel:
    """The same weights in a model whose input is a square of `input_size` pixels; None means the same model.

    Raises ExportError if the preset does not allow that size.
    """
    if input_size is None:
        return trained
    preset = replace(trained.preset, model=replace(trained.preset.model, input_size=input_size))
    try:
        model = preset.build(trained.classes)
    except PresetError as error:
        raise ExportError(str(error)) from error
    model.load_state_dict(trained.model.state_dict())
    square = InputSpec(height=input_size, width=input_size, resize="stretch")
    golden = torch.from_numpy(fit(trained.golden.numpy(), square))
    return replace(trained, model=model.eval(), preset=preset, golden=golden)


def check_parity(trained: TrainedModel, engine: Engine, spec: InputSpec) -> Difference:
    """Compare ONNX Runtime with torch on the golden image, on its mirror image and on noise. Raises ExportError.

    The batches have sizes with which the graph was not traced.
    """
    golden = trained.golden.numpy()
    noise = np.random.default_rng(0).integers(0, 256, (spec.height, spec.width, 3), dtype=np.uint8)
    reference = TorchEngine(trained.model)
    worst = Difference(0.0, 0.0, 0)
    for batch in ([golden], [golden[:, ::-1], noise, golden]):
        images = np.stack(batch)
        worst = worst.joined(difference(reference(images), engine(images), inside=spec))
    if worst.exceeds(BOX_TOLERANCE, SCORE_TOLERANCE):
        raise ExportError(
            f"ONNX Runtime differs from torch by {worst}; allowed are {BOX_TOLERANCE:g} px and {SCORE_TOLERANCE:g}. "
            "Nothing was written. Check that torch, onnx and onnxruntime have the versions of constraints.txt"
        )
    return worst
