"""`python -m export`: makes bundles of checkpoints and of ONNX detectors, adds engines and int8, and measures them."""

import argparse
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import get_args

from export.wrap.arguments import EXAMPLES as WRAP_EXAMPLES
from export.wrap.arguments import add_card, add_wrap
from service.command_names import named
from service.engines.protocol import EngineName, Precision
from service.version import add_version

EXAMPLES = """examples:
  python -m export build runs/mine/best.pt --out bundles/mine
  python -m export build runs/mine/best.pt --out bundles/mine --data VOC --split test  (records its AP in the manifest)
  python -m export build runs/mine/best.pt --out bundles/mine --card card.json  (the page shows what the file says)
  python -m export build runs/joint/best.pt --out bundles/joint --size 512
  python -m export wrap yolo11n.onnx --golden street.jpg --out bundles/yolo11n  (another project's detector)
  python -m export engine bundles/mine --target sm_89  (adds a TensorRT engine for that GPU to the bundle)
  python -m export quantize bundles/mine --data VOC --split train  (adds the model in int8 for CPUs to the bundle)
  python -m export parity bundles/mine --images IMAGES --checkpoint runs/mine/best.pt --data VOC --split test
  python -m export evaluate bundles/mine --data VOC --split test --engine onnx --plots plots
  python -m export evaluate http://localhost:8000 --model mine --data VOC --split test
"""


def main(arguments: list[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    errors: tuple[type[Exception], ...] = ()
    try:
        run, errors = command_of(options.verb)  # this may import torch, which takes seconds
        run(options)
    except errors as error:
        print(f"export: {named(str(error))}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; the bundle is unchanged or complete", file=sys.stderr)
        return 130
    return 0


def command_of(verb: str) -> tuple[Callable[[argparse.Namespace], None], tuple[type[Exception], ...]]:
    """The function that runs the verb, and its errors for the user. Only the verb's own packages are imported."""
    if verb == "engine":
        from export import engine_command

        return engine_command.run_engine, engine_command.ERRORS
    if verb == "wrap":
        from export.wrap import command

        return command.run_wrap, command.ERRORS
    from export import commands

    runs = {
        "build": commands.run_build,
        "quantize": commands.run_quantize,
        "parity": commands.run_parity,
        "evaluate": commands.run_evaluate,
    }
    return runs[verb], commands.ERRORS


def parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    top = argparse.ArgumentParser(
        named("python -m export"), description=named(__doc__ or ""), epilog=named(EXAMPLES), formatter_class=raw
    )
    add_version(top)
    verbs = top.add_subparsers(required=True, metavar="VERB", dest="verb")
    add_verb = partial(verbs.add_parser, epilog=named(EXAMPLES), formatter_class=raw)

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
    add_card(verb)
    add_data(verb, "measure AP on this data set and record it in the manifest")

    wrapping = verbs.add_parser(
        "wrap",
        help="make a bundle of another project's ONNX detector",
        epilog=named(WRAP_EXAMPLES),
        formatter_class=raw,
    )
    add_wrap(wrapping)

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
    verb.add_argument(
        "--cache",
        type=Path,
        help="add the engine to this directory, SINGLESHOT_ENGINE_CACHE of a server, instead of to the bundle",
    )
    verb.add_argument(
        "--background", action="store_true", help="build at low priority, and print the progress in lines"
    )

    verb = add_verb("quantize", help="add to a bundle the form of its model in int8, for OpenVINO on a CPU")
    verb.add_argument("bundle", type=Path, help="the bundle's directory")
    add_data(
        verb,
        "each fourth image measures the loss of accuracy, the others calibrate; no data that you test the model on",
        default_split="train",
        required=True,
    )
    verb.add_argument(
        "--max-loss",
        type=float,
        default=0.5,
        help="points of mean AP50:95 that may be lost; layers that lose more stay in bf16 or fp32 (default: 0.5)",
    )
    verb.add_argument("--images", type=int, default=1000, help="use at most so many, evenly spread (default: 1000)")

    verb = add_verb("parity", help="compare a bundle's engines with each other")
    verb.add_argument("bundle", type=Path, help="the bundle's directory")
    verb.add_argument("--images", type=Path, required=True, help="a folder of images: compare the candidates in these")
    verb.add_argument("--checkpoint", type=Path, help="the checkpoint of the bundle: compare torch as well")
    add_data(verb, "compare AP on this data set as well")

    verb = add_verb(
        "evaluate",
        prog=named("python -m export evaluate"),
        help="measure AP of a bundle or a server",
        description="Measure the AP of a bundle or of a running server, with the server's own code.",
    )
    verb.add_argument("target", help="a bundle's directory, or a server's URL")
    add_data(verb, "the data set", required=True)
    verb.add_argument("--engine", choices=get_args(EngineName), default="auto", help="for a bundle (default: auto)")
    verb.add_argument("--precision", choices=get_args(Precision), default="auto", help="for a bundle (default: auto)")
    verb.add_argument("--model", help="for a server that serves several (default: its first)")
    verb.add_argument(
        "--results",
        type=Path,
        metavar="FILE",
        help="write the detections in MS COCO's format of results, and beside it those of each image and the ground "
        "truth in MS COCO's format",
    )
    verb.add_argument(
        "--plots",
        type=Path,
        metavar="DIR",
        help="draw precision by recall, F1 by score threshold, the confusion matrix and the worst mistakes",
    )
    return top


def add_data(
    verb: argparse.ArgumentParser, purpose: str, *, required: bool = False, default_split: str = "test"
) -> None:
    """Add --data and --split, which may both be given several times."""
    layouts = "in the layout of Pascal VOC, MS COCO or YOLO; if given several times, they are joined"
    verb.add_argument("--data", type=Path, action="append", required=required, help=f"{purpose}, {layouts}")
    verb.add_argument(
        "--split", action="append", help=f"of --data (default: {default_split}); once, or once for each --data"
    )


if __name__ == "__main__":
    sys.exit(main())
