"""Options that several commands have."""

import argparse
from pathlib import Path
from typing import Any


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
    """Add --workers; the loader has its default."""
    verb.add_argument("--workers", type=int, help="processes that prepare images (default: 1, or up to 8 for a GPU)")


def comma_separated(text: str) -> list[str]:
    """The names in a list such as a,b,c."""
    return text.split(",")
