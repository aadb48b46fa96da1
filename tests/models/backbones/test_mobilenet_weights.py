"""Google's frozen graph of MobileNet: its conversion, its hash, and where its file is looked for."""

import hashlib
import io
import os
import re
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from models.backbones import mobilenet_weights, pretrained
from models.backbones.build import build_backbone
from models.backbones.download import DownloadError, PretrainedError
from models.backbones.mobilenet_weights import ARCHIVE, GRAPH, SHA256, convert, hash_of, imagenet_graph, read_graph
from models.backbones.pretrained import initialise
from models.detector import normalise
from tests.models.backbones.frozen_graphs import graph, mobilenet

NOWHERE = "http://127.0.0.1:1/graph.tgz"
PUBLISHED = Path(os.environ.get("MOBILENET_GRAPH", "data/mobilenet_v1_1.0_224_frozen.pb"))


@pytest.fixture(scope="module")
def constants() -> dict[str, np.ndarray]:
    """Random weights of TF-Slim's network; tests must not change them."""
    return mobilenet()


def write_archive(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz", compresslevel=1) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def tf_slim_layer(constants: dict[str, np.ndarray], x: Tensor, name: str, padding: int) -> Tensor:
    """A convolution of TF-Slim with its batch norm, as TF-Slim defines them."""
    own = {key.rpartition("/")[2]: torch.from_numpy(a) for key, a in constants.items() if key.startswith(f"{name}/")}
    if "depthwise_weights" in own:
        x = F.conv2d(x, own["depthwise_weights"].permute(2, 3, 0, 1), padding=padding, groups=x.shape[1])
    else:
        x = F.conv2d(x, own["weights"].permute(3, 2, 0, 1), padding=padding)
    mean, variance = own["moving_mean"], own["moving_variance"]
    return F.relu6(F.batch_norm(x, mean, variance, own["gamma"], own["beta"], eps=1e-3))


def test_converted_layers_compute_what_those_of_tf_slim_compute(constants: dict[str, np.ndarray]) -> None:
    torch.manual_seed(0)
    backbone = build_backbone("mobilenet", 3, "bn", "relu6").eval()
    backbone.load_state_dict(convert(constants))
    first = backbone.get_submodule("stages.0")
    stem, block = first.get_submodule("0"), first.get_submodule("1")
    pixels = torch.randint(0, 256, (1, 20, 24, 3), dtype=torch.uint8)
    with torch.no_grad():
        found = stem(normalise(pixels))
        scaled = pixels.permute(0, 3, 1, 2) / 127.5 - 1
        wanted = tf_slim_layer(constants, scaled, "MobilenetV1/Conv2d_0", 1)[..., ::2, ::2]  # the stride of the stem
        torch.testing.assert_close(found[..., 1:, 1:], wanted[..., 1:, 1:], rtol=1e-4, atol=1e-4)  # without the border
        middle = tf_slim_layer(constants, found, "MobilenetV1/Conv2d_1_depthwise", 1)
        wanted = tf_slim_layer(constants, middle, "MobilenetV1/Conv2d_1_pointwise", 0)
        torch.testing.assert_close(block(found), wanted, rtol=1e-4, atol=1e-4)


def test_each_converted_tensor_has_the_name_and_shape_of_the_network(constants: dict[str, np.ndarray]) -> None:
    converted = convert(constants)
    wanted = build_backbone("mobilenet", 3, "bn").state_dict()
    assert {name: tensor.shape for name, tensor in converted.items()} == {n: t.shape for n, t in wanted.items()}
    last = constants["MobilenetV1/Conv2d_13_pointwise/weights"]
    assert converted["stages.2.1.3.weight"][7, 5, 0, 0] == last[0, 0, 5, 7]
    middle = constants["MobilenetV1/Conv2d_6_depthwise/depthwise_weights"]
    assert converted["stages.1.0.0.weight"][9, 0, 2, 1] == middle[2, 1, 9, 0]


def test_a_missing_tensor_is_named(constants: dict[str, np.ndarray]) -> None:
    name = "MobilenetV1/Conv2d_11_pointwise/BatchNorm/gamma"
    with pytest.raises(ValueError, match=f"^{name} is missing"):
        convert({key: array for key, array in constants.items() if key != name})
    with pytest.raises(ValueError, match=re.escape(f"{name} has the shape (4, 128)")):
        convert(constants | {name: constants[name].reshape(4, 128)})


def test_the_hash_covers_names_shapes_and_bytes_but_not_their_order() -> None:
    weights = {"a": torch.tensor([1.0, 2.0]), "b": torch.tensor([[3.0]])}
    digest = hash_of(weights)
    plain = b"a (2,)\n" + np.array([1, 2], "<f4").tobytes() + b"b (1, 1)\n" + np.array([3], "<f4").tobytes()
    assert digest == hashlib.sha256(plain).hexdigest()
    assert hash_of(dict(reversed(weights.items())) | {"b.num_batches_tracked": torch.tensor(0)}) == digest
    others = [
        weights | {"b": torch.tensor([3.0])},
        weights | {"b": torch.tensor([[3.0000002]])},
        {"a": weights["a"], "c": weights["b"]},
    ]
    assert len({digest, *map(hash_of, others)}) == 4


def test_the_graph_is_found_in_an_archive(constants: dict[str, np.ndarray], tmp_path: Path) -> None:
    constants = {name: np.full_like(array, i) for i, (name, array) in enumerate(constants.items())}  # small in gzip
    files = {"x/labels.txt": b"0 background", "x/frozen_graph.pb": graph(constants), "x/other.pb": b""}
    archive = write_archive(tmp_path / "graph.tgz", files)
    plain = tmp_path / "graph.pb"
    plain.write_bytes(files["x/frozen_graph.pb"])
    assert hash_of(read_graph(archive)) == hash_of(read_graph(plain)) == hash_of(convert(constants))
    archive.write_bytes(archive.read_bytes()[:10_000])
    with pytest.raises(PretrainedError, match=r"graph\.tgz: not a frozen graph .* download it again"):
        read_graph(archive)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"<html>not found</html>", "not a gzip file"),
        (None, "the archive has no frozen graph"),
    ],
)
def test_an_archive_without_a_graph_is_refused(tmp_path: Path, content: bytes | None, reason: str) -> None:
    path = write_archive(tmp_path / "x.tgz", {"x/labels.txt": b"0", "x/eval.pb": b""})
    if content:
        path.write_bytes(content)
    with pytest.raises(PretrainedError, match=rf"x\.tgz: not a frozen graph of MobileNet v1 1\.0 \({reason}\)"):
        read_graph(path)


def test_the_cache_may_have_the_archive_or_the_graph(tmp_path: Path) -> None:
    (tmp_path / ARCHIVE).touch()
    assert imagenet_graph(tmp_path, NOWHERE) == tmp_path / ARCHIVE
    (tmp_path / GRAPH).touch()
    assert imagenet_graph(tmp_path, NOWHERE) == tmp_path / GRAPH


def test_without_a_network_the_error_names_both_files_and_their_places(tmp_path: Path) -> None:
    message = (
        rf"cannot download {NOWHERE} .*; put that file at {tmp_path / ARCHIVE}, "
        rf"or its frozen_graph\.pb at {tmp_path / GRAPH}$"
    )
    with pytest.raises(DownloadError, match=message):
        imagenet_graph(tmp_path, NOWHERE)
    assert list(tmp_path.iterdir()) == []


def test_imagenet_starts_from_the_published_weights_and_from_no_others(
    constants: dict[str, np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    path = tmp_path / "hub" / "checkpoints" / GRAPH
    path.parent.mkdir(parents=True)
    path.write_bytes(graph(constants))
    backbone = build_backbone("mobilenet", 4, "bn", "relu6")
    converted = convert(constants)
    expected = f"{re.escape(str(path))}: the SHA-256 .* is {hash_of(converted)[:8]}…, expected {SHA256[:8]}…; delete"
    with pytest.raises(PretrainedError, match=expected):
        initialise(backbone, "mobilenet", "imagenet")
    monkeypatch.setattr(mobilenet_weights, "SHA256", hash_of(converted))
    extra = {name: tensor.clone() for name, tensor in backbone.state_dict().items() if name.startswith("extra.")}
    initialise(backbone, "mobilenet", "imagenet")
    for name, tensor in backbone.state_dict().items():
        assert torch.equal(tensor, (converted | extra)[name]), name


def test_plain_relus_are_refused_with_the_published_weights(
    constants: dict[str, np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "graph.pb").write_bytes(graph(constants))
    torch.save(convert(constants), tmp_path / "converted.pt")
    monkeypatch.setattr(pretrained, "SHA256", hash_of(convert(constants)))
    for source in ("imagenet", str(tmp_path / "graph.pb"), str(tmp_path / "converted.pt")):
        with pytest.raises(
            PretrainedError,
            match=rf"--init {source}: .* trained with relu6, .*; add --set model\.backbone_activation=relu6",
        ):
            initialise(build_backbone("mobilenet", 4, "bn"), "mobilenet", source)


@pytest.mark.skipif(not PUBLISHED.is_file(), reason="no published graph; set MOBILENET_GRAPH to its .pb or .tgz")
def test_the_published_graph_has_the_expected_hash() -> None:
    weights = read_graph(PUBLISHED)
    assert hash_of(weights) == SHA256
    assert weights["stages.0.0.0.weight"].abs().max() < 3
