"""Options that several commands have."""

import argparse
from pathlib import Path

import torch

from models.distributed import num_processes
from service.cores import num_cores

MAX_WORKERS = 8


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


def add_workers(verb: argparse.ArgumentParser) -> None:
    """Add --workers; `num_workers` gives its default."""
    verb.add_argument("--workers", type=int, help="processes that prepare images (default: 1, or up to 8 for a GPU)")


def num_workers(asked: int | None, device: str) -> int:
    """The number of processes that prepare images: `asked`, or enough to keep a GPU busy, if there are the cores.

    On a CPU, one worker prepares many times as many images as the other cores can train on.
    """
    if asked is not None:
        return asked
    return 1 if torch.device(device).type == "cpu" else max(1, min(MAX_WORKERS, num_cores() // num_processes()))


def comma_separated(text: str) -> list[str]:
    """The names in a list such as a,b,c."""
    return text.split(",")
