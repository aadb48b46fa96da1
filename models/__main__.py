"""`python -m models`: train, evaluate and describe the detectors."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from models.command_line import Once, add_data, add_device, add_workers, count_from
from models.papers.command_line import add_verbs
from service.command_names import named
from service.version import add_version

EXAMPLES = """examples:
  python -m models train passd-320-mobilenet-finetune --data MINE --split train --val-split val --out runs/mine
  python -m models train passd-320-mobilenet-finetune --data MINE --split train --val-split val --out runs/mine --resume
  python -m models train passd-320-mobilenet-finetune --data NEW --out runs/new --init-from runs/mine/best.pt
  python -m models train passd-320-vgg16 --data VOC2007 --data VOC2012 --split train --val-split val --out runs/voc
  torchrun --nproc-per-node 4 -m models train passd-320-vgg16 --data VOC --out runs/vgg
  python -m models evaluate runs/mine/best.pt --data MINE --split test --plots plots
  python -m models evaluate runs/joint/best.pt --data COCO --split val2017 --scales multi
  python -m models evaluate runs/joint/best.pt --data COCO --split test-dev2017 --results results.json
  python -m models analyse levels runs/joint/best.pt --data VOC --out levels
  python -m models presets
  python -m models describe passd-320-mobilenet --classes 20
"""


def main(arguments: list[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    run, errors = command_of(options.verb)
    try:
        run(options)
    except errors as error:
        print(f"models: {named(str(error))}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; all saved files are complete", file=sys.stderr)
        return 130
    return 0


def command_of(verb: str) -> tuple[Callable[[argparse.Namespace], None], tuple[type[Exception], ...]]:
    """The function that runs the verb, and its errors for the user. They import torch, which takes seconds."""
    if verb == "analyse":
        from models.papers import commands as papers

        return papers.run, papers.ERRORS
    from models import commands

    runs = {
        "train": commands.run_train,
        "evaluate": commands.run_evaluate,
        "presets": commands.run_presets,
        "describe": commands.run_describe,
    }
    return runs[verb], commands.ERRORS


def parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    top = argparse.ArgumentParser(
        named("python -m models"), description=named(__doc__ or ""), epilog=named(EXAMPLES), formatter_class=raw
    )
    add_version(top)
    verbs = top.add_subparsers(required=True, metavar="VERB", dest="verb")

    verb = verbs.add_parser("train", help="train a preset on a data set", epilog=named(EXAMPLES), formatter_class=raw)
    verb.add_argument("preset", help=named("one of the presets that `python -m models presets` lists"))
    add_data(verb, "trainval", "to train on; the first --data has the --val-split")
    verb.add_argument("--out", type=Path, required=True, help="folder for checkpoints, log.jsonl and plot.png")
    verb.add_argument(
        "--val-split",
        action=Once,
        help="split to measure AP on every few epochs, to keep the best checkpoint (default: no evaluation)",
    )
    verb.add_argument("--epochs", type=int, help="short for --set optim.epochs=N, which scales the schedule too")
    verb.add_argument(
        "--resume", action="store_true", help="continue from last.pt in --out, with the settings of that run"
    )
    verb.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="change a setting, e.g. optim.lr=0.002"
    )
    start = verb.add_mutually_exclusive_group()
    start.add_argument(
        "--init",
        metavar="imagenet|none|FILE",
        help="initial weights of the base network (default: those of the preset)",
    )
    start.add_argument(
        "--init-from",
        metavar="CHECKPOINT",
        help="start from a trained model of the same kind, also one with other classes",
    )
    add_workers(verb)
    add_device(verb)

    verb = verbs.add_parser(
        "evaluate",
        help="AP of a checkpoint",
        description="Measure the AP of a checkpoint, with torch.",
        epilog=named(EXAMPLES),
        formatter_class=raw,
    )
    verb.add_argument("checkpoint", type=Path, help="a file that training wrote, such as best.pt")
    add_data(verb, "test", "to measure AP on")
    verb.add_argument(
        "--scales",
        choices=("served", "single", "multi"),
        default="served",
        help="served: images as the server resizes them; single: images in their own shape, at FSAF's test scale; "
        "multi: the same at FSAF's eight scales, with flips (default: served)",
    )
    verb.add_argument(
        "--flip",
        action="store_true",
        help="average each image with its mirror image, for twice the time (PASSD, images as served)",
    )
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
    add_device(verb)

    verb = verbs.add_parser("presets", help="list the presets")

    verb = verbs.add_parser(
        "describe", help="parts, size and settings of a preset", epilog=named(EXAMPLES), formatter_class=raw
    )
    verb.add_argument("preset")
    verb.add_argument(
        "--classes", type=count_from(1), default=20, help="number of classes without background (default: 20)"
    )
    verb.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="change a setting, e.g. model.dilation=2"
    )

    add_verbs(verbs)
    return top


if __name__ == "__main__":
    sys.exit(main())
