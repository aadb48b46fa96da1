"""Weights that a base network starts from: ImageNet's in torchvision's files, or those of a file at hand."""

import hashlib
import socket
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models.backbones.build import Backbone, BackboneName
from models.backbones.mobilenet import MobileNet
from models.backbones.resnet import ResNet
from models.backbones.vgg import VGG16

URL = "https://download.pytorch.org/models/"
TORCHVISION_FILES: dict[
    BackboneName, str
] = {  # IMAGENET1K_V1 of each; the name ends in the start of the file's SHA-256
    "vgg16": "vgg16-397923af.pth",
    "vgg16bn": "vgg16_bn-6c64b313.pth",
    "resnet50": "resnet50-0676ba61.pth",
    "resnet101": "resnet101-63fe2227.pth",
    "resnext101": "resnext101_64x4d-173b62eb.pth",
}
TIMEOUT_SECONDS = 30.0  # without a byte
FC6_STEP, FC7_STEP = (4, 1, 3, 3), (4, 4, 1, 1)  # SSD §3: "subsample parameters from fc6 and fc7"


class PretrainedError(Exception):
    """Weights that cannot be had or do not fit; the message names the file and the remedy."""


def initialise(backbone: Backbone, name: BackboneName, source: str) -> None:
    """Load weights into a base network: `source` is "imagenet", "none", or the path of a file.

    A file holds either torchvision's weights of this network, classifier included, or a checkpoint of ours. From
    torchvision's the extra blocks stay as they are; a checkpoint of ours has them.
    """
    if source == "none":
        return
    path = imagenet_file(name, torch_cache()) if source == "imagenet" else Path(source)
    content = read_weights(path)
    if "format" in content:
        weights = {
            key.removeprefix("backbone."): tensor
            for key, tensor in (content.get("averaged") or content["model"]).items()
            if key.startswith("backbone.")
        }
        wanted = set(backbone.state_dict())
    else:
        weights = trunk_weights(backbone, content, path)
        wanted = {key for key in backbone.state_dict() if not key.startswith(new_parts(backbone))}
    missing = sorted(wanted - set(weights))
    if missing:
        raise PretrainedError(
            f"{path}: no weights of {name}: {missing[0]} is missing; give torchvision's file or a checkpoint"
        )
    try:
        backbone.load_state_dict({key: weights[key] for key in wanted}, strict=False)
    except RuntimeError as error:
        raise PretrainedError(f"{path}: no weights of {name}: {' '.join(str(error).split())[:200]}") from error


def new_parts(backbone: Backbone) -> tuple[str, ...]:
    """The prefixes of the weights that no network trained on ImageNet has."""
    match backbone:
        case MobileNet():
            return ("extra.",)
        case VGG16():
            return ("l2norm.", "conv8.", "conv9.")
        case ResNet():
            return ("extras.",)


def trunk_weights(backbone: Backbone, weights: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    """torchvision's weights under this package's names: VGG's fc6 and fc7 are every third or fourth row of its classifier."""
    if not isinstance(backbone, VGG16):
        return weights
    try:
        fc6 = weights["classifier.0.weight"].view(4096, 512, 7, 7), weights["classifier.0.bias"]
        fc7 = weights["classifier.3.weight"].view(4096, 4096, 1, 1), weights["classifier.3.bias"]
    except (KeyError, RuntimeError) as error:
        raise PretrainedError(
            f"{path}: has no classifier of VGG-16, from which fc6 and fc7 are taken ({error})"
        ) from error
    converted = {key: tensor for key, tensor in weights.items() if key.startswith("features.")}
    for name, (weight, bias), step in (("fc6", fc6, FC6_STEP), ("fc7", fc7, FC7_STEP)):
        converted[f"{name}.weight"] = weight[tuple(slice(None, None, s) for s in step)]
        converted[f"{name}.bias"] = bias[:: step[0]]
    return converted


def read_weights(path: Path) -> dict[str, Any]:
    """The named tensors of a file, or a checkpoint's content, on the CPU."""
    if not path.is_file():
        raise PretrainedError(f"{path}: no such file of weights; --init takes imagenet, none or a file")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load raises whatever the unpickler or the zip reader met
        raise PretrainedError(f"{path}: not a file of weights ({type(error).__name__}); download it again") from error
    if not isinstance(content, dict):
        raise PretrainedError(f"{path}: not a file of weights: it holds a {type(content).__name__}")
    return content


def torch_cache() -> Path:
    """Where torch keeps downloaded weights, so that torchvision's are found: $TORCH_HOME/hub/checkpoints."""
    return Path(torch.hub.get_dir()) / "checkpoints"


def imagenet_file(name: BackboneName, cache: Path, url: str = URL) -> Path:
    """The file of a network's ImageNet weights in `cache`, downloaded if it is not there; its hash is checked."""
    if name not in TORCHVISION_FILES:
        raise PretrainedError(
            f"torchvision has no ImageNet weights of {name}; train from scratch (--init none) or give a checkpoint of yours"
        )
    path = cache / TORCHVISION_FILES[name]
    expected = path.stem.rpartition("-")[2]
    if not path.is_file():
        download(url + path.name, path, expected)
    with path.open("rb") as file:
        actual = hashlib.file_digest(file, "sha256").hexdigest()
    if not actual.startswith(expected):
        raise PretrainedError(
            f"{path}: SHA-256 is {actual[:8]}…, it must be {expected}…; delete the file and try again"
        )
    return path


def download(url: str, path: Path, hash_prefix: str) -> None:
    """Fetch a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    previous = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT_SECONDS)
    try:
        torch.hub.download_url_to_file(url, str(path), hash_prefix)
    except (OSError, RuntimeError) as error:  # RuntimeError: the hash is another
        raise PretrainedError(
            f"{url} cannot be downloaded ({error}); put that file at {path}, or train with --init none"
        ) from error
    finally:
        socket.setdefaulttimeout(previous)
