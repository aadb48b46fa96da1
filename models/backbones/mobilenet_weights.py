"""MobileNet's ImageNet weights: Google's frozen TensorFlow graph, converted for this package's network."""

import hashlib
import math
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from models.backbones.download import DownloadError, PretrainedError, download
from models.backbones.frozen_graph import MAX_BYTES, read_constants
from models.detector import IMAGE_MEAN, IMAGE_STD

# MobileNet v1 1.0 224 of TF-Slim (Apache-2.0), as a frozen graph.
URL = "https://storage.googleapis.com/download.tensorflow.org/models/mobilenet_v1_1.0_224_frozen.tgz"
ARCHIVE = "mobilenet_v1_1.0_224_frozen.tgz"
GRAPH = "mobilenet_v1_1.0_224_frozen.pb"  # in the cache; in the archive it is frozen_graph.pb
GRAPH_SUFFIXES = (".pb", ".tgz", ".tar.gz")
SHA256 = "5ee6ab832c8ea0535360ad8674a0dcbc83a25f6dff3c61b0c498c06c2839dc6d"  # of the converted weights
EPSILON = 1e-3  # of TF-Slim's batch norm
OWN_EPSILON = 1e-5  # of nn.BatchNorm2d
BLOCKS = (6, 6, 2)  # convolutions in each stage of this package's network; the first one is the stem


def imagenet_graph(cache: Path, url: str = URL) -> Path:
    """The file of the published weights in `cache`: the graph or the archive that has it, downloaded if missing."""
    graph, archive = cache / GRAPH, cache / ARCHIVE
    if graph.is_file():
        return graph
    if not archive.is_file():
        try:
            download(url, archive)
        except DownloadError as error:
            raise DownloadError(f"{error}, or its frozen_graph.pb at {graph}") from error
    return archive


def check_published(weights: dict[str, Tensor], path: Path) -> None:
    """Raise PretrainedError if converted weights are not those of the published graph."""
    actual = hash_of(weights)
    if actual != SHA256:
        raise PretrainedError(
            f"{path}: the SHA-256 of the converted weights is {actual[:8]}…, expected {SHA256[:8]}…; delete the file "
            f"and try again, or give it as --init FILE if it is another training of MobileNet"
        )


def hash_of(weights: dict[str, Tensor]) -> str:
    """The SHA-256 of all float tensors in alphabetical order: of each the name, the shape, and the bytes."""
    digest = hashlib.sha256()
    for name, tensor in sorted(weights.items()):
        if tensor.is_floating_point():
            digest.update(f"{name} {tuple(tensor.shape)}\n".encode())
            digest.update(tensor.float().numpy().astype("<f4").tobytes())
    return digest.hexdigest()


def read_graph(path: Path) -> dict[str, Tensor]:
    """The weights of a frozen graph, or of the frozen graph in an archive, under the names of this package."""
    try:
        data = read_bounded(path) if path.suffix == ".pb" else graph_in_archive(path)
        return convert(read_constants(data))
    except (EOFError, OSError, ValueError, tarfile.TarError) as error:
        raise PretrainedError(
            f"{path}: not a frozen graph of MobileNet v1 1.0 ({error}); delete the file and download it again"
        ) from error


def read_bounded(path: Path) -> bytes:
    """The bytes of a graph; one more than allowed if there are more."""
    with path.open("rb") as file:
        return file.read(MAX_BYTES + 1)


def graph_in_archive(path: Path) -> bytes:
    """The bytes of the first file in a .tgz archive whose name ends in .pb and has "frozen" in it."""
    with tarfile.open(path, "r:gz") as archive:
        for member in archive:
            name = Path(member.name).name
            if member.isfile() and name.endswith(".pb") and "frozen" in name:
                file = archive.extractfile(member)
                assert file is not None  # it is a regular file
                return file.read(MAX_BYTES + 1)
    raise ValueError("the archive has no frozen graph")


def convert(constants: dict[str, np.ndarray]) -> dict[str, Tensor]:
    """Weights of this package's network from TF-Slim's; a ValueError names what is missing or has another shape.

    TF-Slim's network takes x / 127.5 - 1 for a pixel x in 0…255, this package's takes (x - mean) / std. The scale goes
    into the first convolution and the offset into the mean of its batch norm, except at the border, where TF-Slim pads
    with grey and this package with the mean. The larger epsilon of TF-Slim's batch norm goes into the variances.
    Sums are rounded once, so that the result has the same bits on each machine.
    """
    weights: dict[str, Tensor] = {}
    for source, kernel_name, convolution, norm in layers():
        kernel = constant(constants, f"{source}/{kernel_name}", 4)
        mean = constant(constants, f"{source}/BatchNorm/moving_mean", 1).astype(np.float64)
        variance = constant(constants, f"{source}/BatchNorm/moving_variance", 1).astype(np.float64)
        if source == "MobilenetV1/Conv2d_0":
            kernel, shift = for_own_pixels(kernel)
            mean = mean - shift
        # depthwise (H, W, C, 1) -> (C, 1, H, W); others (H, W, in, out) -> (out, in, H, W)
        kernel = kernel.transpose((2, 3, 0, 1) if kernel_name == "depthwise_weights" else (3, 2, 0, 1))
        own = {
            f"{convolution}.weight": kernel,
            f"{norm}.weight": constant(constants, f"{source}/BatchNorm/gamma", 1),
            f"{norm}.bias": constant(constants, f"{source}/BatchNorm/beta", 1),
            f"{norm}.running_mean": mean,
            f"{norm}.running_var": variance + (EPSILON - OWN_EPSILON),
        }
        weights |= {name: torch.from_numpy(array.astype(np.float32)) for name, array in own.items()}
        weights[f"{norm}.num_batches_tracked"] = torch.tensor(0)
    return weights


def for_own_pixels(kernel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A kernel (H, W, 3, out) for normalised pixels, and the constant (out) that its outputs lack then, in float64."""
    scale, offset = np.array(IMAGE_STD) / 127.5, np.array(IMAGE_MEAN) / 127.5 - 1
    kernel = kernel.astype(np.float64)
    products = (kernel * offset[:, None]).reshape(-1, kernel.shape[3])
    return kernel * scale[:, None], np.array([math.fsum(column) for column in products.T])


def constant(constants: dict[str, np.ndarray], name: str, num_axes: int) -> np.ndarray:
    if name not in constants:
        raise ValueError(f"{name} is missing")
    if constants[name].ndim != num_axes:
        raise ValueError(f"{name} has the shape {constants[name].shape}")
    return constants[name]


def layers() -> Iterator[tuple[str, str, str, str]]:
    """TF-Slim's scope and the name of its kernel -> this package's convolution and batch norm, from input to output."""
    yield "MobilenetV1/Conv2d_0", "weights", "stages.0.0.0", "stages.0.0.1"
    blocks = [f"stages.{stage}.{i}" for stage, count in enumerate(BLOCKS) for i in range(count)][1:]
    for number, block in enumerate(blocks, 1):
        yield f"MobilenetV1/Conv2d_{number}_depthwise", "depthwise_weights", f"{block}.0", f"{block}.1"
        yield f"MobilenetV1/Conv2d_{number}_pointwise", "weights", f"{block}.3", f"{block}.4"
