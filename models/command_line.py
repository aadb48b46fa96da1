"""Options that several commands have."""

import argparse
from pathlib import Path
from typing import Any

import torch

from models.distributed import num_processes
from service.cores import num_cores

MAX_WORKERS = 8


class Once(argparse.Action):
    """Stores the value of an option without a default, and refuses a second one. argparse keeps the last."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        if getattr(namespace, self.dest) is not None:
            parser.error(f"{option_string} may be given once only")
        setattr(namespace, self.dest, values)


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
