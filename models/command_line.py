"""Options that several commands have."""

import argparse
from pathlib import Path


def add_data(verb: argparse.ArgumentParser, split: str, purpose: str = "") -> None:
    """Add --data and --split, which may both be given several times; `split` is the default."""
    verb.add_argument(
        "--data",
        type=Path,
        action="append",
        required=True,
        metavar="DIR",
        help="a data set in the layout of Pascal VOC, MS COCO or YOLO (or its data.yaml), also as Roboflow exports it; "
        "if given several times, they are joined",
    )
    verb.add_argument(
        "--split",
        action="append",
        help=f"{f'split {purpose}' if purpose else 'its split'} (default: {split}); once, or once for each --data",
    )


def comma_separated(text: str) -> list[str]:
    """The names in a list such as a,b,c."""
    return text.split(",")
