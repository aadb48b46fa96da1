"""The command line of `python -m models analyse`: the papers' ablations and figures."""

import argparse
from pathlib import Path
from typing import Any

from models.command_line import Once, add_data, add_device, add_workers, comma_separated, count_from, share
from models.papers.rows import FSAF_ROWS, PASSD_ROWS
from service.command_names import named

EXAMPLES = """examples:
  python -m models analyse levels runs/joint/best.pt --data VOC --split test --out levels
  python -m models analyse matching runs/mine/best.pt --data VOC --split test --out matching.png
  python -m models analyse sampling runs/mine/best.pt picture.jpg --out sampling.png
  python -m models analyse ablation passd-320-mobilenet --data VOC --out runs/ablation --rows conv,clipped,pa --seeds 3
  python -m models analyse ablation retinanet-fsaf-512-resnet50 --data VOC --out runs/ablation --seeds 3
"""


def add_verbs(verbs: Any) -> None:
    """Add `analyse` and its subcommands to the verbs of a parser."""
    raw = argparse.RawDescriptionHelpFormatter
    analyse = verbs.add_parser(
        "analyse", help="the papers' ablations and figures", epilog=named(EXAMPLES), formatter_class=raw
    )
    kinds = analyse.add_subparsers(required=True, metavar="KIND", dest="kind")

    kind = kinds.add_parser("levels", help="the pyramid level that finds each object (FSAF, Figure 8)")
    kind.add_argument("checkpoint", type=Path, help="of an fsaf or retinanet-fsaf preset")
    add_data(kind, "test")
    kind.add_argument("--out", type=Path, required=True, help="folder for the images")
    kind.add_argument("--count", type=count_from(1), default=20, help="number of images, from the first (default: 20)")
    kind.add_argument("--score-threshold", type=share, default=0.3, help="default: 0.3")

    kind = kinds.add_parser(
        "matching", help="number of default boxes matched to an object, before and after proposing (PASSD, Figure 2)"
    )
    kind.add_argument("checkpoint", type=Path, help="of a passd preset")
    add_data(kind, "test")
    kind.add_argument("--out", type=Path, required=True, help="the PNG to write")

    kind = kinds.add_parser("sampling", help="positions of the taps of the best boxes in an image (PASSD, Figure 1)")
    kind.add_argument("checkpoint", type=Path, help="of a passd preset")
    kind.add_argument("picture", type=Path)
    kind.add_argument("--boxes", type=count_from(1), default=5, help="number of boxes (default: 5)")
    kind.add_argument("--out", type=Path, required=True, help="the PNG to write")

    kind = kinds.add_parser(
        "ablation", help="train and evaluate the rows of PASSD's Tables 1 and 3, or of FSAF's Table 1"
    )
    kind.add_argument("preset", help="a passd or retinanet-fsaf preset; each row changes its prediction module")
    names = f"for passd: {','.join(PASSD_ROWS)}; for retinanet-fsaf: {','.join(FSAF_ROWS)}"
    kind.add_argument(
        "--rows", action="extend", type=comma_separated, help=f"rows of the table (default: all); {names}"
    )
    add_data(kind, "train", "to train on; the first --data has the --test-split")
    kind.add_argument("--test-split", action=Once, help="split to measure AP on (default: test)")
    kind.add_argument("--out", type=Path, required=True, help="folder for the runs and table.md")
    kind.add_argument("--seeds", type=count_from(1), default=1, help="runs of each row (default: 1)")
    kind.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="change a setting of all rows")
    add_workers(kind)
    add_device(kind)
