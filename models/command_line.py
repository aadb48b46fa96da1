"""Options that several commands have."""

import argparse
import math
from collections.abc import Callable
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


def device(text: str) -> str:
    """The type of --device: a device of this machine."""
    import torch  # only an option that is given pays for this

    try:
        torch.empty(0, device=text)
    except (AssertionError, ImportError, NotImplementedError, RuntimeError) as error:
        reason = str(error).partition("\n")[0]
        raise argparse.ArgumentTypeError(
            f"{text!r} is no device here ({reason}); choose cpu, or cuda on a GPU"
        ) from None
    return text


def add_device(verb: argparse.ArgumentParser) -> None:
    """Add --device; None means `default_device()`."""
    verb.add_argument("--device", type=device, help="cpu or cuda (default: cuda if there is a GPU)")


def default_device() -> str:
    """The GPU if there is one."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def add_workers(verb: argparse.ArgumentParser) -> None:
    """Add --workers; the loader has its default."""
    verb.add_argument(
        "--workers",
        type=count_from(0),
        help="processes that prepare images; 0: this one (default: 1, or up to 8 for a GPU)",
    )


def count_from(lowest: int) -> Callable[[str], int]:
    """The type of an option that takes a whole number of at least `lowest`."""

    def count(text: str) -> int:
        if not text.isdecimal() or int(text) < lowest:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least {lowest}")
        return int(text)

    return count


def share(text: str) -> float:
    """The type of an option that takes a number from 0 to 1."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 1")
    return value


def comma_separated(text: str) -> list[str]:
    """The names in a list such as a,b,c."""
    return text.split(",")
