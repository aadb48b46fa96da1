"""Initial weights of a base network: those of ImageNet, or those of a given file."""

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from models.backbones.build import Backbone, BackboneName
from models.backbones.download import DownloadError, PretrainedError, download, torch_cache
from models.backbones.mobilenet import Activation, MobileNet
from models.backbones.mobilenet_weights import (
    GRAPH_SUFFIXES,
    SHA256,
    check_published,
    hash_of,
    imagenet_graph,
    read_graph,
)
from models.backbones.resnet import ResNet
from models.backbones.vgg import VGG16

URL = "https://download.pytorch.org/models/"
# IMAGENET1K_V1 of each network; a name ends in the first eight digits of the file's SHA-256.
TORCHVISION_FILES: dict[BackboneName, str] = {
    "vgg16": "vgg16-397923af.pth",
    "vgg16bn": "vgg16_bn-6c64b313.pth",
    "resnet50": "resnet50-0676ba61.pth",
    "resnet101": "resnet101-63fe2227.pth",
    "resnext101": "resnext101_64x4d-173b62eb.pth",
}
FC6_STEP, FC7_STEP = (4, 1, 3, 3), (4, 4, 1, 1)  # SSD §3: "subsample parameters from fc6 and fc7"


def initialise(backbone: Backbone, name: BackboneName, source: str) -> None:
    """Load weights into a base network: `source` is "imagenet", "none", or the path of a file.

    A file contains torchvision's weights of this network, classifier included, or a checkpoint of this package, or
    TensorFlow's frozen graph of MobileNet. Only a checkpoint of this package sets the extra blocks too.
    """
    if source == "none":
        check_trainable(backbone, name)
        return
    if source == "imagenet":
        check_activation(backbone, "relu6", source)
    path = imagenet_weights(backbone, name) if source == "imagenet" else Path(source)
    content = read_weights(path)
    if isinstance(backbone, MobileNet):
        if source == "imagenet":
            check_published(content, path)
        else:
            check_activation(backbone, trained_activation(content, path), source)
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
            f"{path}: not the weights of {name}: {missing[0]} is missing; give its ImageNet weights or a checkpoint"
        )
    try:
        backbone.load_state_dict({key: weights[key] for key in wanted}, strict=False)
    except RuntimeError as error:
        raise PretrainedError(f"{path}: not the weights of {name}: {' '.join(str(error).split())[:200]}") from error


def is_frozen(backbone: Backbone) -> bool:
    """Whether some parameters are never trained, so that the network needs pretrained weights."""
    return not all(parameter.requires_grad for parameter in backbone.parameters())


def check_trainable(backbone: Backbone, name: BackboneName) -> None:
    """Raise PretrainedError if a part of the network is frozen: it would keep its random weights."""
    if not is_frozen(backbone):
        return
    layers = [layer for layer in backbone.modules() if isinstance(layer, nn.Conv2d)]
    num_frozen = sum(not layer.weight.requires_grad for layer in layers)
    settings = ["--set model.num_frozen_stages=0"] if num_frozen else []
    if num_frozen < len(layers) and not any(isinstance(layer, nn.BatchNorm2d) for layer in backbone.modules()):
        settings.append("--set model.backbone_norm=batch")
    raise PretrainedError(
        f"--init none: {name} has frozen layers, which would keep their random weights; add {' '.join(settings)}, "
        "or choose --init imagenet or --init FILE"
    )


def check_activation(backbone: Backbone, trained: Activation | None, source: str) -> None:
    """Raise PretrainedError if MobileNet does not have the activation that the weights of `source` were trained with.

    They would load, but mean something else. None means that it is not known.
    """
    if isinstance(backbone, MobileNet) and trained not in (None, backbone.activation):
        scratch = ", or train from scratch with --init none" if source == "imagenet" else ""
        raise PretrainedError(
            f"--init {source}: these weights of MobileNet were trained with {trained}, and this network has "
            f"{backbone.activation}; add --set model.backbone_activation={trained}{scratch}"
        )


def trained_activation(content: dict[str, Any], path: Path) -> Activation | None:
    """The activation of the network whose weights are the content of `path`; None if the content does not tell.

    A checkpoint tells it; Google's graphs, and what is converted from the published one, have ReLU6.
    """
    if isinstance(content.get("preset"), str):
        activation: Activation = json.loads(content["preset"])["model"].get("backbone_activation", "relu")
        return activation
    is_converted = all(isinstance(value, Tensor) for value in content.values()) and hash_of(content) == SHA256
    return "relu6" if path.name.endswith(GRAPH_SUFFIXES) or is_converted else None


def imagenet_weights(backbone: Backbone, name: BackboneName) -> Path:
    """The file of a network's ImageNet weights in torch's cache, downloaded if it is missing."""
    try:
        return imagenet_graph(torch_cache()) if name == "mobilenet" else imagenet_file(name, torch_cache())
    except DownloadError as error:
        if is_frozen(backbone):
            raise
        raise DownloadError(f"{error}, or train from scratch with --init none") from error


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
    """torchvision's weights under the names of this package.

    fc6 and fc7 of VGG-16 are subsampled from the first two layers of torchvision's classifier: fc6 keeps every fourth
    output channel and every third tap, fc7 every fourth output and input channel.
    """
    if not isinstance(backbone, VGG16):
        return weights
    try:
        fc6 = weights["classifier.0.weight"].view(4096, 512, 7, 7), weights["classifier.0.bias"]
        fc7 = weights["classifier.3.weight"].view(4096, 4096, 1, 1), weights["classifier.3.bias"]
    except (KeyError, RuntimeError) as error:
        raise PretrainedError(
            f"{path}: the classifier of VGG-16 is missing ({error}); fc6 and fc7 are taken from it"
        ) from error
    converted = {key: tensor for key, tensor in weights.items() if key.startswith("features.")}
    for name, (weight, bias), step in (("fc6", fc6, FC6_STEP), ("fc7", fc7, FC7_STEP)):
        converted[f"{name}.weight"] = weight[tuple(slice(None, None, s) for s in step)]
        converted[f"{name}.bias"] = bias[:: step[0]]
    return converted


def read_weights(path: Path) -> dict[str, Any]:
    """The named tensors of a file, or the content of a checkpoint, on the CPU."""
    if not path.is_file():
        raise PretrainedError(f"{path}: no such file; --init takes imagenet, none or the path of a file of weights")
    if path.name.endswith(GRAPH_SUFFIXES):
        return read_graph(path)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load passes on any error of the unpickler or the zip reader
        raise PretrainedError(f"{path}: not a file of weights ({type(error).__name__}); download it again") from error
    if not isinstance(content, dict):
        raise PretrainedError(f"{path}: not a file of weights: it contains a {type(content).__name__}")
    return content


def imagenet_file(name: BackboneName, cache: Path, url: str = URL) -> Path:
    """torchvision's file of a network's ImageNet weights in `cache`, downloaded if missing; its hash is checked."""
    path = cache / TORCHVISION_FILES[name]
    expected = path.stem.rpartition("-")[2]
    if not path.is_file():
        download(url + path.name, path, expected)
    with path.open("rb") as file:
        actual = hashlib.file_digest(file, "sha256").hexdigest()
    if not actual.startswith(expected):
        raise PretrainedError(f"{path}: SHA-256 is {actual[:8]}…, expected {expected}…; delete the file and try again")
    return path
