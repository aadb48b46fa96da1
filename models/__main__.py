"""`python -m models`: train, evaluate and describe the detectors."""

import argparse
import sys
from pathlib import Path

from models.backbones.download import PretrainedError
from models.command_line import Once, add_data, add_device, add_workers, count_from
from models.data.announce import announce, announce_shared
from models.data.data_set import DataError
from models.data.loader import choose_num_workers
from models.data.open import open_data_set, open_data_sets
from models.distributed import is_first, process_group
from models.evaluation import multi_scale
from models.evaluation.evaluate import evaluate, score
from models.evaluation.flip import FlipAverage
from models.evaluation.outputs import Outputs
from models.evaluation.torch_engine import TorchEngine
from models.papers import commands as analyse
from models.papers.errors import FigureError
from models.presets.catalogue import PRESETS, find_preset
from models.presets.describe import describe, list_presets
from models.presets.overrides import override
from models.presets.preset import PresetError
from models.training.box_advice import box_advice
from models.training.checkpoint import CheckpointError, load_model
from models.training.resume import saved_preset
from models.training.run_state import TrainingError
from models.training.train import train

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
    try:
        options.run(options)
    except (CheckpointError, DataError, FigureError, PresetError, PretrainedError, TrainingError, OSError) as error:
        print(f"models: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; all saved files are complete", file=sys.stderr)
        return 130
    return 0


def parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    top = argparse.ArgumentParser("python -m models", description=__doc__, epilog=EXAMPLES, formatter_class=raw)
    verbs = top.add_subparsers(required=True, metavar="VERB")

    verb = verbs.add_parser("train", help="train a preset on a data set", epilog=EXAMPLES, formatter_class=raw)
    verb.add_argument("preset", help="one of the presets that `python -m models presets` lists")
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
    verb.set_defaults(run=run_train)

    verb = verbs.add_parser("evaluate", help="AP of a checkpoint", epilog=EXAMPLES, formatter_class=raw)
    verb.add_argument("checkpoint", type=Path)
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
    verb.set_defaults(run=run_evaluate)

    verb = verbs.add_parser("presets", help="list the presets")
    verb.set_defaults(run=run_presets)

    verb = verbs.add_parser(
        "describe", help="parts, size and settings of a preset", epilog=EXAMPLES, formatter_class=raw
    )
    verb.add_argument("preset")
    verb.add_argument(
        "--classes", type=count_from(1), default=20, help="number of classes without background (default: 20)"
    )
    verb.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="change a setting, e.g. model.dilation=2"
    )
    verb.set_defaults(run=run_describe)

    analyse.add_verbs(verbs)
    return top


def run_train(options: argparse.Namespace) -> None:
    init = "none" if options.init_from else options.init
    short = {"optim.epochs": options.epochs, "init": init, "init_from": options.init_from}
    settings = options.set + [f"{name}={value}" for name, value in short.items() if value is not None]
    new = None if options.resume else find_preset(options.preset)
    with process_group(options.device) as device:
        preset = override(new or saved_preset(options.out / "last.pt", options.preset), settings)
        train_set, val_set = announce(open_data_sets(options.data, options.split or ["trainval"])), None
        if options.val_split:
            val_set = announce(open_data_set(options.data[0], options.val_split, train_set.classes))
            announce_shared(train_set, val_set)
        if is_first():
            for line in box_advice(preset, train_set):
                print(line, file=sys.stderr if line.startswith("warning") else sys.stdout)
        train(
            preset,
            train_set,
            val_set,
            options.out,
            resume=options.resume,
            num_workers=choose_num_workers(options.workers, device),
            device=device,
        )
        if is_first():
            best = options.out / "best.pt"
            if not best.is_file():  # of a finished run that is resumed
                best = options.out / "last.pt"
            print(f"done: {best}; export it with: python -m export build {best} --out BUNDLE")


def run_evaluate(options: argparse.Namespace) -> None:
    outputs = Outputs(options.results, options.plots)
    outputs.prepare()
    trained = load_model(options.checkpoint)
    needed = outputs.needs_annotations
    splits = options.split or ["test"]
    data_set = announce(open_data_sets(options.data, splits, trained.classes, needs_annotations=needed))
    model = FlipAverage(trained.model) if options.flip else trained.model
    engine, preset = TorchEngine(model.to(options.device)), trained.preset
    if options.scales == "served":
        evaluation = evaluate(engine, data_set, preset.model.input_spec, preset.nms_defaults)
    else:
        is_multi = options.scales == "multi"
        scales = multi_scale.multi_scale(preset) if is_multi else multi_scale.single_scale(preset)
        evaluation = score(data_set, multi_scale.detect_all(engine, data_set.samples, scales, flip=is_multi))
    outputs.present(evaluation, f"{options.checkpoint}{' with --flip' if options.flip else ''}")


def run_presets(_: argparse.Namespace) -> None:
    print(list_presets(PRESETS.values()))


def run_describe(options: argparse.Namespace) -> None:
    print(describe(override(find_preset(options.preset), options.set), options.classes))


if __name__ == "__main__":
    sys.exit(main())
