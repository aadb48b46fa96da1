"""The command line of `python -m service.detect`."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from service.command_names import named
from service.engines.protocol import EngineName, Precision
from service.remote import is_remote
from service.settings import Settings
from service.version import add_version

if TYPE_CHECKING:
    from service.detection.tiles import Tile

FormatName = Literal["jsonl", "coco", "csv", "yolo", "images"]

EXAMPLE = """\
The output says by its name what it is: .jsonl a JSON line for each picture, .json MS COCO's results, .csv a table;
--format yolo and --format images (drawn pictures) write a folder. Without --out, the results are printed.

The same command again goes on: pictures that are done are skipped. Pictures that cannot be used are listed in
OUT.failed.jsonl; the next run tries them again.

exit status: 0 if all pictures are done, 3 if some could not be used, 1 for another error, 2 for a wrong option, 130
after Ctrl-C and 143 after SIGTERM; after both, the same command goes on.

example:
  python -m service.detect photo.jpg
  python -m service.detect photos --out found.jsonl
  python -m service.detect 'photos/*.jpg' clip.mp4 --every 10 --out found.csv
  python -m service.detect scans --tile auto --out drawn --format images
"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    fields = Settings.model_fields
    parser = argparse.ArgumentParser(
        prog=named("python -m service.detect"),
        description="Detect objects in pictures, without a server.",
        epilog=named(EXAMPLE),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "sources",
        nargs="+",
        metavar="SOURCE",
        help="an image, a folder, a quoted pattern, @LIST or LIST.txt with a name on each line, a video, or a URL such "
        "as s3://bucket/folder",
    )
    parser.add_argument(
        "--out", type=local_path, metavar="OUT", help="a file or folder of this machine for the results"
    )
    parser.add_argument("--format", choices=get_args(FormatName), help="(default: by the name of OUT)")
    parser.add_argument("--restart", action="store_true", help="write OUT anew instead of going on with it")
    parser.add_argument("--bundle", metavar="DIR", help="the model, a directory or a URL (default: the packaged one)")
    parser.add_argument("--engine", choices=get_args(EngineName), help=fields["engine"].description)
    parser.add_argument("--precision", choices=get_args(Precision), help=fields["precision"].description)
    parser.add_argument(
        "--score-threshold", type=share, metavar="SHARE", help="leave lower scores out (default: the bundle's)"
    )
    parser.add_argument(
        "--max-detections", type=positive, metavar="N", help="of a picture at most (default: the bundle's, a tile)"
    )
    parser.add_argument(
        "--tile",
        type=tile,
        metavar="auto|N",
        help="detect in overlapping tiles of N×N pixels too, for large pictures with small objects; auto is twice the "
        "model's input in height and width",
    )
    parser.add_argument(
        "--every", type=positive, default=1, metavar="N", help="of a video, take each N-th frame (default: 1)"
    )
    parser.add_argument("--batch", type=positive, metavar="N", help="images in one call of the engine (default: 8)")
    parser.add_argument(
        "--annotations", type=Path, metavar="FILE", help="MS COCO's annotations, with the ids for --format coco"
    )
    add_version(parser)
    return parser


def local_path(text: str) -> Path:
    """The type of an option that takes a file or folder of this machine."""
    if is_remote(text):
        raise argparse.ArgumentTypeError(
            f"{text} is not on this machine, and a run appends to its output; write it here, and copy it at the end"
        )
    return Path(text)


def share(text: str) -> float:
    """The type of an option that takes a number from 0 to 1."""
    value = float(text)
    if not 0 <= value <= 1:
        raise ValueError
    return value


def positive(text: str) -> int:
    """The type of an option that takes a whole number from 1 up."""
    value = int(text)
    if value < 1:
        raise ValueError
    return value


def tile(text: str) -> "Tile":
    """The type of --tile."""
    return "auto" if text == "auto" else positive(text)
