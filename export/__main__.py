"""`python -m export`: exports checkpoints as bundles, builds TensorRT engines, compares and measures bundles."""

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import get_args

from pydantic import ValidationError

from export.build import ExportError, build
from export.compare import ParityError, print_report
from export.evaluate import ServerError, evaluate_bundle, evaluate_server
from export.to_engine import build_engine
from models.data.data_set import DataError
from models.data.open import open_data_set
from models.presets.preset import Preset
from models.training.checkpoint import CheckpointError, load_model
from service.bundle import BundleError, NmsDefaults, read_bundle
from service.engines.protocol import EngineError, EngineName, Precision

EXAMPLES = """examples:
  python -m export build runs/mine/best.pt --out bundles/mine
  python -m export build runs/mine/best.pt --out bundles/mine --data VOC --split test  (records its AP in the manifest)
  python -m export build runs/joint/best.pt --out bundles/joint --size 512
  python -m export engine bundles/mine --target sm_89  (adds a TensorRT engine for that GPU to the bundle)
  python -m export parity bundles/mine --images IMAGES --checkpoint runs/mine/best.pt --data VOC --split test
  python -m export evaluate bundles/mine --data VOC --split test --engine onnx
  python -m export evaluate http://localhost:8000 --model mine --data VOC --split test
"""
ERRORS = BundleError, CheckpointError, DataError, EngineError, ExportError, ParityError, ServerError, OSError


def main(arguments: list[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    try:
        options.run(options)
    except ERRORS as error:
        print(f"export: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; the bundle is unchanged or complete", file=sys.stderr)
        return 130
    return 0


def parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    top = argparse.ArgumentParser("python -m export", description=__doc__, epilog=EXAMPLES, formatter_class=raw)
    verbs = top.add_subparsers(required=True, metavar="VERB")
    add_verb = partial(verbs.add_parser, epilog=EXAMPLES, formatter_class=raw)

    verb = add_verb("build", help="export a checkpoint as a bundle")
    verb.add_argument("checkpoint", type=Path)
    verb.add_argument("--out", type=Path, required=True, help="the bundle's directory")
    verb.add_argument("--name", help="the model's name on the server (default: the last part of --out)")
    verb.add_argument("--version", default="1", help="the model's version on the server (default: 1)")
    verb.add_argument("--size", type=int, help="side of the input in pixels (default: the preset's)")
    verb.add_argument("--nms", choices=("gaussian", "linear", "hard"), help="the server's NMS (default: the preset's)")
    verb.add_argument(
        "--score-threshold", type=float, default=0.3, help="for requests that do not give one (default: 0.3)"
    )
    verb.add_argument("--data", type=Path, help="measure AP on this data set and record it in the manifest")
    verb.add_argument("--split", default="test", help="of --data (default: test)")
    verb.set_defaults(run=run_build)

    verb = add_verb("engine", help="build a TensorRT engine into a bundle")
    verb.add_argument("bundle", type=Path, help="the bundle's directory")
    verb.add_argument(
        "--target", help="architecture of the GPU that will run the engine, e.g. sm_89 (default: this machine's)"
    )
    verb.add_argument("--precision", choices=("fp16", "fp32"), default="fp16", help="default: fp16")
    verb.add_argument("--max-batch", type=int, default=8, help="the largest batch, in images (default: 8)")
    verb.add_argument(
        "--flavour",
        choices=("tensorrt", "tensorrt_rtx"),
        help="default: TensorRT if this machine has it and the target GPU, else TensorRT for RTX (needs no GPU)",
    )
    verb.set_defaults(run=run_engine)

    verb = add_verb("parity", help="compare a bundle's engines with each other")
    verb.add_argument("bundle", type=Path, help="the bundle's directory")
    verb.add_argument("--images", type=Path, required=True, help="a folder of images: compare the candidates in these")
    verb.add_argument("--checkpoint", type=Path, help="the checkpoint of the bundle: compare torch as well")
    verb.add_argument("--data", type=Path, help="compare AP on this data set as well")
    verb.add_argument("--split", default="test", help="of --data (default: test)")
    verb.set_defaults(run=run_parity)

    verb = add_verb("evaluate", help="measure AP of a bundle or a server")
    verb.add_argument("target", help="a bundle's directory, or a server's URL")
    verb.add_argument("--data", type=Path, required=True, help="a Pascal VOC tree or a COCO directory")
    verb.add_argument("--split", default="test", help="of --data (default: test)")
    verb.add_argument("--engine", choices=get_args(EngineName), default="auto", help="for a bundle (default: auto)")
    verb.add_argument("--precision", choices=get_args(Precision), default="auto", help="for a bundle (default: auto)")
    verb.add_argument("--model", help="for a server that serves several (default: its first)")
    verb.set_defaults(run=run_evaluate)
    return top


def run_build(options: argparse.Namespace) -> None:
    trained = load_model(options.checkpoint)
    built = build(
        trained,
        options.out,
        name=options.name or options.out.name,
        version=options.version,
        nms=nms_of(options, trained.preset),
        data_set=open_data_set(options.data, options.split, trained.classes) if options.data else None,
        input_size=options.size,
    )
    manifest = built.bundle.manifest
    threshold = manifest.nms.score_threshold
    size = sum(path.stat().st_size for path in options.out.iterdir()) / 1e6
    print(f"{options.out}: {size:.1f} MB, {len(manifest.classes)} classes, agrees with torch to {built.parity}")
    # The scores of a weak model lie so close together that bf16 changes their order. The server's check of the golden
    # image then refuses the bundle.
    is_weak = all(detection.score < threshold for detection in manifest.golden.detections)
    if is_weak:
        print(f"it detects nothing with a score of {threshold} or more in its golden image: train the model for longer")
    print(f"serve it with: python -m service --bundle {options.out}{' --precision fp32' if is_weak else ''}")


def nms_of(options: argparse.Namespace, preset: Preset) -> NmsDefaults:
    try:
        return NmsDefaults(
            method=options.nms or preset.nms, iou_threshold=preset.nms_iou, score_threshold=options.score_threshold
        )
    except ValidationError as error:
        raise ExportError(f"--score-threshold {options.score_threshold}: {error.errors()[0]['msg']}") from error


def run_engine(options: argparse.Namespace) -> None:
    built = build_engine(
        options.bundle,
        target=options.target,
        precision=options.precision,
        max_batch=options.max_batch,
        flavour=options.flavour,
    )
    print(built)
    print(f"serve it on that GPU with: python -m service --bundle {options.bundle} --engine tensorrt")


def run_parity(options: argparse.Namespace) -> None:
    bundle = read_bundle(options.bundle)
    data_set = open_data_set(options.data, options.split, bundle.manifest.classes) if options.data else None
    print_report(bundle, options.images, options.checkpoint, data_set)


def run_evaluate(options: argparse.Namespace) -> None:
    if options.target.startswith(("http://", "https://")):
        evaluation = evaluate_server(options.target, options.model, options.data, options.split)
    else:
        path = Path(options.target)
        evaluation = evaluate_bundle(path, options.data, options.split, options.engine, options.precision)
    print(evaluation.table())


if __name__ == "__main__":
    sys.exit(main())
