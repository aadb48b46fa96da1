"""`python -m models analyse`: the papers' ablations and figures."""

import argparse
from pathlib import Path
from typing import Any

from models.checkpoint import load_model
from models.data.loader import open_data_set
from models.fsaf_ablation import ablate
from models.level_figure import write_figures
from models.overrides import override
from models.presets import find_preset

EXAMPLES = """examples:
  python -m models analyse levels runs/joint/best.pt --data VOC --split test --out levels
  python -m models analyse ablation retinanet-fsaf-512-resnet50 --data VOC --out runs/ablation --seeds 3
"""


def add_verbs(verbs: Any, device: str) -> None:
    """Add `analyse` and its own verbs to a parser's."""
    raw = argparse.RawDescriptionHelpFormatter
    analyse = verbs.add_parser("analyse", help="the papers' ablations and figures", epilog=EXAMPLES, formatter_class=raw)
    kinds = analyse.add_subparsers(required=True, metavar="KIND")

    kind = kinds.add_parser("levels", help="the pyramid level that finds each object (FSAF, Figure 8)")
    kind.add_argument("checkpoint", type=Path, help="of an fsaf or retinanet-fsaf preset")
    kind.add_argument("--data", type=Path, required=True, help="a Pascal VOC tree or a COCO directory")
    kind.add_argument("--split", default="test", help="default: test")
    kind.add_argument("--out", type=Path, required=True, help="folder for the pictures")
    kind.add_argument("--count", type=int, default=20, help="how many pictures, from the first (default: 20)")
    kind.add_argument("--score-threshold", type=float, default=0.3, help="default: 0.3")
    kind.set_defaults(run=run_levels)

    kind = kinds.add_parser("ablation", help="train and measure the rows of FSAF's Table 1")
    kind.add_argument("preset", help="a retinanet-fsaf preset, whose branches and selection are varied")
    kind.add_argument("--data", type=Path, required=True, help="a Pascal VOC tree or a COCO directory")
    kind.add_argument("--split", default="train", help="what to train on (default: train)")
    kind.add_argument("--test-split", default="test", help="what to measure AP on (default: test)")
    kind.add_argument("--out", type=Path, required=True, help="folder for the runs and table.txt")
    kind.add_argument("--seeds", type=int, default=1, help="runs of each row (default: 1)")
    kind.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="change a setting of all rows")
    kind.add_argument("--workers", type=int, default=1, help="processes that prepare images (default: 1)")
    kind.add_argument("--device", default=device, help="cpu or cuda (default here: %(default)s)")
    kind.set_defaults(run=run_ablation)


def run_levels(options: argparse.Namespace) -> None:
    trained = load_model(options.checkpoint)
    data_set = open_data_set(options.data, options.split, trained.classes)
    print(write_figures(trained.model, data_set.samples[: options.count], options.out, options.score_threshold))


def run_ablation(options: argparse.Namespace) -> None:
    preset = override(find_preset(options.preset), options.set)
    train_set = open_data_set(options.data, options.split)
    test_set = open_data_set(options.data, options.test_split, train_set.classes)
    arguments = {"num_seeds": options.seeds, "num_workers": options.workers, "device": options.device}
    print(ablate(preset, train_set, test_set, options.out, **arguments))
