"""`python -m export`: from checkpoints to bundles, and what they are worth."""

import argparse
import sys
from pathlib import Path

from pydantic import ValidationError

from export.build import ExportError, build
from export.evaluate import ServerError, evaluate_bundle, evaluate_server
from models.checkpoint import CheckpointError, load_model
from models.data.annotations import DataError
from models.data.loader import open_data_set
from models.presets import Preset
from service.bundle import BundleError, NmsDefaults
from service.engine import EngineError

EXAMPLES = """examples:
  python -m export build runs/mine/best.pt --out bundles/mine
  python -m export build runs/mine/best.pt --out bundles/mine --data VOC --split test      (records its AP in the manifest)
  python -m export build runs/joint/best.pt --out bundles/joint --size 512
  python -m export evaluate bundles/mine --data VOC --split test --engine onnx
  python -m export evaluate http://localhost:8000 --model mine --data VOC --split test
"""


def main(arguments: list[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    try:
        options.run(options)
    except (BundleError, CheckpointError, DataError, EngineError, ExportError, ServerError) as error:
        print(f"export: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; nothing half-written is left", file=sys.stderr)
        return 130
    return 0


def parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    top = argparse.ArgumentParser("python -m export", description=__doc__, epilog=EXAMPLES, formatter_class=raw)
    verbs = top.add_subparsers(required=True, metavar="VERB")

    verb = verbs.add_parser("build", help="export a checkpoint as a bundle", epilog=EXAMPLES, formatter_class=raw)
    verb.add_argument("checkpoint", type=Path)
    verb.add_argument("--out", type=Path, required=True, help="the bundle's directory")
    verb.add_argument("--name", help="what the server calls the model (default: the last part of --out)")
    verb.add_argument("--version", default="1", help="default: 1")
    verb.add_argument("--size", type=int, help="side of the input in pixels (default: the preset's)")
    verb.add_argument("--nms", choices=("gaussian", "linear", "hard"), help="what the server does (default: the preset's)")
    verb.add_argument("--score-threshold", type=float, default=0.3, help="what a request gets unless it asks (default: 0.3)")
    verb.add_argument("--data", type=Path, help="measure AP on this data set and record it in the manifest")
    verb.add_argument("--split", default="test", help="default: test")
    verb.set_defaults(run=run_build)

    verb = verbs.add_parser("evaluate", help="AP of a bundle or a server", epilog=EXAMPLES, formatter_class=raw)
    verb.add_argument("target", help="a bundle's directory, or a server's URL")
    verb.add_argument("--data", type=Path, required=True, help="a Pascal VOC tree")
    verb.add_argument("--split", default="test", help="default: test")
    verb.add_argument("--engine", choices=("auto", "onnx", "openvino"), default="auto", help="for a bundle (default: auto)")
    verb.add_argument("--model", help="for a server that serves several (default: its first)")
    verb.set_defaults(run=run_evaluate)
    return top


def run_build(options: argparse.Namespace) -> None:
    trained = load_model(options.checkpoint)
    built = build(
        options.checkpoint,
        options.out,
        name=options.name or options.out.name,
        version=options.version,
        nms=nms_of(options, trained.preset),
        data_set=open_data_set(options.data, options.split, trained.classes) if options.data else None,
        input_size=options.size,
    )
    size = sum(path.stat().st_size for path in options.out.iterdir()) / 1e6
    print(f"{options.out}: {size:.1f} MB, {len(built.bundle.manifest.classes)} classes, agrees with torch to {built.parity}")
    print(f"serve it with: python -m service --bundle {options.out}")


def nms_of(options: argparse.Namespace, preset: Preset) -> NmsDefaults:
    try:
        return NmsDefaults(
            method=options.nms or preset.nms, iou_threshold=preset.nms_iou, score_threshold=options.score_threshold
        )
    except ValidationError as error:
        raise ExportError(f"--score-threshold {options.score_threshold}: {error.errors()[0]['msg']}") from error


def run_evaluate(options: argparse.Namespace) -> None:
    if options.target.startswith(("http://", "https://")):
        evaluation = evaluate_server(options.target, options.model, options.data, options.split)
    else:
        evaluation = evaluate_bundle(Path(options.target), options.data, options.split, options.engine)
    print(evaluation.table())


if __name__ == "__main__":
    sys.exit(main())
