"""The options of `python -m export wrap`; this module imports neither torch nor onnx."""

import argparse
import re
from pathlib import Path
from typing import get_args

from export.wrap.kinds import KIND_NAMES, NmsMethod
from service.bundle import Resize

EXAMPLES = """examples:
  python -m export wrap yolo11n.onnx --golden street.jpg --out bundles/yolo11n  (Ultralytics' models name their classes)
  python -m export wrap yolov5s.onnx --kind yolov5 --classes coco.yaml --golden street.jpg --out bundles/yolov5s
  python -m export wrap yolox_s.onnx --kind yolox --classes coco.txt --golden street.jpg --out bundles/yolox-s
  python -m export wrap detr/model.onnx --kind detr --classes detr/config.json --size 800x1066 --resize letterbox \\
      --golden street.jpg --out bundles/detr
  python -m export wrap rtdetr.onnx --kind rtdetr --classes "cat,dog" --golden cat.jpg --out bundles/rtdetr
  python -m export wrap fasterrcnn.onnx --kind torchvision --classes coco.txt --golden street.jpg --out bundles/frcnn
  python -m export wrap mine.onnx --kind candidates --classes "cat,dog" --golden cat.jpg --out bundles/mine
"""


def add_wrap(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("model", type=Path, metavar="MODEL.onnx", help="a detector of another project")
    verb.add_argument("--out", type=Path, required=True, help="the bundle's directory")
    verb.add_argument(
        "--kind",
        choices=KIND_NAMES,
        default="yolo",
        help="what its outputs are; docs/wrap.md has a list (default: yolo)",
    )
    verb.add_argument(
        "--classes",
        help='the names in their order: a text file with a name a line, a data.yaml, a config.json, or "a,b,c" '
        "(default: the names in the model's metadata)",
    )
    verb.add_argument(
        "--golden", type=Path, required=True, metavar="IMAGE", help="an image in which the model detects something"
    )
    verb.add_argument("--name", help="the model's name on the server (default: the last part of --out)")
    verb.add_argument("--version", default="1", help="the model's version on the server (default: 1)")
    verb.add_argument(
        "--size", type=size, metavar="HxW", help="height and width of the input (default: the model's own)"
    )
    verb.add_argument(
        "--resize", choices=get_args(Resize), help="how an image is fitted into the input (default: the kind's)"
    )
    verb.add_argument("--scale", choices=("0-1", "0-255"), help="the range of the pixels (default: the kind's)")
    verb.add_argument(
        "--mean", type=float, nargs="+", metavar="M", help="subtracted from the pixels: one number, or one a channel"
    )
    verb.add_argument("--std", type=float, nargs="+", metavar="S", help="the pixels are divided by it, after --mean")
    verb.add_argument("--channels", choices=("rgb", "bgr"), help="their order in the model (default: the kind's)")
    verb.add_argument(
        "--activation", choices=("softmax", "sigmoid"), help="of --kind detr (default: by the number of logits)"
    )
    verb.add_argument(
        "--nms",
        choices=get_args(NmsMethod),
        help="the server's NMS (default: gaussian for a raw head; none for a model that chooses its boxes itself)",
    )
    verb.add_argument(
        "--score-threshold", type=float, default=0.3, help="for requests that do not give one (default: 0.3)"
    )
    add_card(verb)


def add_card(verb: argparse.ArgumentParser) -> None:
    """Add --card, which other verbs that make a bundle have too."""
    verb.add_argument(
        "--card",
        type=Path,
        metavar="FILE",
        help="what people should know about the model, for the server's page: a JSON file with description, "
        "trained_on, licence, link, examples and credit; docs/wrap.md has an example",
    )


def size(text: str) -> tuple[int, int]:
    """`640` or `480x640` -> height and width."""
    match = re.fullmatch(r"(\d+)(?:[x×](\d+))?", text)
    if not match or int(match[1]) < 1 or int(match[2] or 1) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no size; give HEIGHTxWIDTH in pixels, such as 480x640, or 640")
    return int(match[1]), int(match[2] or match[1])
