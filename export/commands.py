"""What the verbs build, parity and evaluate of `python -m export` do. They import torch, which takes seconds."""

import argparse
from functools import partial
from pathlib import Path

from pydantic import ValidationError

from export.build import build
from export.card import read_card
from export.compare import ParityError, print_report
from export.errors import ExportError
from export.evaluate import ServerError, evaluate_bundle, evaluate_server
from export.quantize import quantize
from models.data.announce import announce
from models.data.data_set import DataError, DataSet
from models.data.open import open_data_sets
from models.evaluation.outputs import Outputs
from models.presets.preset import Preset
from models.training.checkpoint import CheckpointError, load_model
from service.bundle import HALF_MODEL, BundleError, NmsDefaults, read_bundle
from service.command_names import named
from service.engines.protocol import EngineError

ERRORS = BundleError, CheckpointError, DataError, EngineError, ExportError, ParityError, ServerError, OSError


def run_build(options: argparse.Namespace) -> None:
    card = read_card(options.card) if options.card else None
    trained = load_model(options.checkpoint)
    built = build(
        trained,
        options.out,
        name=options.name or options.out.name,
        version=options.version,
        nms=nms_of(options, trained.preset),
        data_set=data_set_of(options, trained.classes) if options.data else None,
        input_size=options.size,
        card=card,
    )
    manifest = built.bundle.manifest
    threshold = manifest.nms.score_threshold
    size = sum(path.stat().st_size for path in options.out.iterdir()) / 1e6
    print(f"{options.out}: {size:.1f} MB, {len(manifest.classes)} classes, agrees with torch to {built.parity}")
    if built.half_problem:
        print(f"it has no {HALF_MODEL}, so GPUs compute in fp32 unless TensorRT does: {built.half_problem}")
    # The scores of a weak model lie so close together that bf16 changes their order. The server's check of the golden
    # image then refuses the bundle.
    is_weak = all(detection.score < threshold for detection in manifest.golden.detections)
    if is_weak:
        print(f"it detects nothing with a score of {threshold} or more in its golden image: train the model for longer")
    print(f"serve it with: {named('python -m service')} --bundle {options.out}{' --precision fp32' if is_weak else ''}")


def nms_of(options: argparse.Namespace, preset: Preset) -> NmsDefaults:
    try:
        return NmsDefaults(
            method=options.nms or preset.nms, iou_threshold=preset.nms_iou, score_threshold=options.score_threshold
        )
    except ValidationError as error:
        raise ExportError(f"--score-threshold {options.score_threshold}: {error.errors()[0]['msg']}") from error


def run_quantize(options: argparse.Namespace) -> None:
    bundle = read_bundle(options.bundle)
    data_set = data_set_of(options, bundle.manifest.classes, default_split="train")
    print(quantize(bundle, data_set, max_loss=options.max_loss, num_images=options.images))
    print("a server with OpenVINO runs it if it is faster on its CPU; try `--precision int8` to have it in any case")


def run_parity(options: argparse.Namespace) -> None:
    bundle = read_bundle(options.bundle)
    data_set = data_set_of(options, bundle.manifest.classes) if options.data else None
    print_report(bundle, options.images, options.checkpoint, data_set)


def run_evaluate(options: argparse.Namespace) -> None:
    outputs = Outputs(options.results, options.plots)
    outputs.prepare()
    read = partial(data_set_of, options, needs_annotations=outputs.needs_annotations)
    if options.target.startswith(("http://", "https://")):
        evaluation, model = evaluate_server(options.target, options.model, read)
    else:
        path = Path(options.target)
        evaluation, model = evaluate_bundle(path, read, options.engine, options.precision), str(path)
    outputs.present(evaluation, model)


def data_set_of(
    options: argparse.Namespace,
    classes: tuple[str, ...],
    *,
    needs_annotations: bool = True,
    default_split: str = "test",
) -> DataSet:
    """The data sets of --data and --split, joined."""
    splits = options.split or [default_split]
    return announce(open_data_sets(options.data, splits, classes, needs_annotations=needs_annotations))
