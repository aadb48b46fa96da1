"""Weights of ImageNet and of files: downloading, checking and loading."""

import hashlib
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from models.backbones.build import Backbone, BackboneName, build_backbone
from models.backbones.download import DownloadError, PretrainedError, download
from models.backbones.pretrained import TORCHVISION_FILES, imagenet_file, initialise, trunk_weights
from models.backbones.vgg import VGG16
from models.presets.catalogue import find_preset
from models.presets.overrides import override
from models.training.checkpoint import write_checkpoint

NOWHERE = "http://127.0.0.1:1/models/"
CONTENT = b"some weights"
PREFIX = hashlib.sha256(CONTENT).hexdigest()[:8]


@pytest.fixture
def server() -> Iterator[str]:
    """A server that serves CONTENT under every name except /missing."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(404 if self.path == "/missing" else 200)
            self.end_headers()
            self.wfile.write(CONTENT)

        def log_message(self, *_: object) -> None:
            """Logs nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}/"
        listening.shutdown()
        thread.join()


def test_a_complete_download_is_checked_and_kept(server: str, tmp_path: Path) -> None:
    path = tmp_path / "cache" / f"x-{PREFIX}.pth"
    download(f"{server}{path.name}", path, PREFIX)
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize(("name", "prefix"), [("x.pth", "00000000"), ("missing", PREFIX)])
def test_a_failed_download_leaves_no_file_and_names_the_remedy(
    server: str, tmp_path: Path, name: str, prefix: str
) -> None:
    path = tmp_path / "x.pth"
    with pytest.raises(
        PretrainedError, match=f"cannot download {server}{name} .*put that file at {re.escape(str(path))}"
    ):
        download(server + name, path, prefix)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", TORCHVISION_FILES)
def test_without_a_network_the_error_names_the_file_and_its_place(tmp_path: Path, name: BackboneName) -> None:
    path = tmp_path / TORCHVISION_FILES[name]
    message = f"cannot download {NOWHERE}{path.name} .*; put that file at {path}$"
    with pytest.raises(PretrainedError, match=message):
        imagenet_file(name, tmp_path, NOWHERE)


def test_a_cached_file_with_a_wrong_hash_is_refused(tmp_path: Path) -> None:
    path = tmp_path / TORCHVISION_FILES["resnet101"]
    path.write_bytes(CONTENT)
    with pytest.raises(PretrainedError, match=rf"resnet101-63fe2227\.pth: SHA-256 is {PREFIX}…, expected 63fe2227…"):
        imagenet_file("resnet101", tmp_path, NOWHERE)


STAGES, NORM = "model.num_frozen_stages=0", "model.backbone_norm=batch"


@pytest.mark.parametrize(
    ("preset", "settings", "remedy"),
    [
        ("passd-320-mobilenet", [], []),
        ("passd-320-mobilenet", ["model.num_frozen_stages=1"], [STAGES]),
        ("passd-320-vgg16", [], []),
        ("retinanet-320-mobilenet", [], []),
        ("retinanet-320-mobilenet", ["model.backbone_norm=frozen"], [NORM]),
        ("retinanet-320-resnet50", [], [STAGES, NORM]),
        ("retinanet-320-resnet50", [STAGES], [NORM]),
        ("retinanet-320-resnet50", [NORM], [STAGES]),
        ("retinanet-320-resnet50", [STAGES, NORM], []),
    ],
)
def test_training_from_scratch_is_refused_and_not_recommended_if_a_part_is_frozen(
    preset: str, settings: list[str], remedy: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    with torch.device("meta"):
        model = override(find_preset(preset), settings).build(("a",))
        cured = override(find_preset(preset), settings + remedy).build(("a",))
    with pytest.raises(DownloadError, match="cannot download") as caught:
        initialise(model.backbone, model.config.backbone, "imagenet")
    assert ("--init none" in str(caught.value)) == (not remedy)
    initialise(cured.backbone, model.config.backbone, "none")
    if remedy:
        options = " ".join(f"--set {setting}" for setting in remedy)
        with pytest.raises(
            PretrainedError, match=f"--init none: .* has frozen layers, .* add {options}, or choose --in"
        ):
            initialise(model.backbone, model.config.backbone, "none")


def torchvision_like(backbone: Backbone) -> dict[str, Tensor]:
    """A state dict with torchvision's keys and shapes; each tensor has one value, so that its file is small."""
    extra = ("extras.", "conv8.", "conv9.", "l2norm.", "fc6.", "fc7.")
    shapes = {key: tensor.shape for key, tensor in backbone.state_dict().items() if not key.startswith(extra)}
    if isinstance(backbone, VGG16):
        shapes |= {
            "classifier.0.weight": torch.Size([4096, 25088]),
            "classifier.0.bias": torch.Size([4096]),
            "classifier.3.weight": torch.Size([4096, 4096]),
            "classifier.3.bias": torch.Size([4096]),
            "classifier.6.weight": torch.Size([1000, 4096]),
        }
    else:
        shapes["fc.weight"] = torch.Size([1000, 2048])
    return {key: torch.tensor(float(i)).expand(shape) for i, (key, shape) in enumerate(shapes.items())}


@pytest.mark.parametrize("name", ["vgg16", "vgg16bn", "resnet50"])
def test_a_torchvision_file_sets_the_trunk_but_not_the_extra_blocks(tmp_path: Path, name: BackboneName) -> None:
    backbone = build_backbone(name, 4, "bn")
    weights = torchvision_like(backbone)
    torch.save(weights, tmp_path / "weights.pth")
    before = {key: tensor.clone() for key, tensor in backbone.state_dict().items()}
    initialise(backbone, name, str(tmp_path / "weights.pth"))
    for key, tensor in backbone.state_dict().items():
        if key in weights:
            assert torch.equal(tensor, weights[key].to(tensor.dtype)), key
        elif key.startswith(("fc6.", "fc7.")):
            source = {"fc6": "classifier.0", "fc7": "classifier.3"}[key[:3]] + key[3:]
            assert torch.equal(tensor, weights[source].flatten()[0].expand_as(tensor)), key
        else:
            assert key.startswith(("extras.", "conv8.", "conv9.", "l2norm.")), key
            assert torch.equal(tensor, before[key]), key


def test_fc6_and_fc7_are_every_fourth_filter_and_every_third_tap() -> None:
    with torch.device("meta"):
        vgg = VGG16(False, "bn")
    numbers = torch.arange(4096.0)
    by_filter = {
        "classifier.0.weight": numbers.view(-1, 1).expand(4096, 25088),
        "classifier.0.bias": numbers,
        "classifier.3.weight": numbers.view(-1, 1).expand(4096, 4096),
        "classifier.3.bias": numbers,
    }
    converted = trunk_weights(vgg, by_filter, Path("x"))
    assert converted["fc6.weight"].shape == (1024, 512, 3, 3)
    assert converted["fc7.weight"].shape == (1024, 1024, 1, 1)
    for name in ("fc6", "fc7"):
        assert (
            converted[f"{name}.weight"][:, 17, 0, 0].tolist()
            == converted[f"{name}.bias"].tolist()
            == list(range(0, 4096, 4))
        )
    by_tap = {
        "classifier.0.weight": torch.arange(49.0).view(7, 7).expand(4096, 512, 7, 7),
        "classifier.3.weight": numbers.expand(4096, 4096),
    }
    converted = trunk_weights(vgg, by_filter | by_tap, Path("x"))
    assert converted["fc6.weight"][5, 17].tolist() == [[0, 3, 6], [21, 24, 27], [42, 45, 48]]
    assert converted["fc7.weight"][5, :, 0, 0].tolist() == list(range(0, 4096, 4))


def test_none_changes_nothing() -> None:
    backbone = build_backbone("mobilenet", 4, "bn")
    before = {key: tensor.clone() for key, tensor in backbone.state_dict().items()}
    initialise(backbone, "mobilenet", "none")
    assert all(torch.equal(before[key], tensor) for key, tensor in backbone.state_dict().items())


def write_filled(path: Path, *settings: str) -> Path:
    """A checkpoint of PASSD with MobileNet whose parameters are all 7."""
    preset = override(find_preset("passd-320-mobilenet"), list(settings))
    model = preset.build(("a",))
    for parameter in model.parameters():
        nn.init.constant_(parameter, 7)
    write_checkpoint(path, {"preset": preset.to_json(), "model": model.state_dict()})
    return path


def test_a_checkpoint_of_this_package_sets_the_whole_base_network(tmp_path: Path) -> None:
    backbone = build_backbone("mobilenet", 4, "bn", "relu6")
    initialise(backbone, "mobilenet", str(write_filled(tmp_path / "best.pt")))
    assert all((parameter == 7).all() for parameter in backbone.parameters())


def test_a_checkpoint_with_another_activation_is_refused(tmp_path: Path) -> None:
    path = write_filled(tmp_path / "best.pt", "model.backbone_activation=relu")
    message = r"best\.pt: .* trained with relu, and .* has relu6; add --set model\.backbone_activation=relu$"
    with pytest.raises(PretrainedError, match=message):
        initialise(build_backbone("mobilenet", 4, "bn", "relu6"), "mobilenet", str(path))
    content = torch.load(path, weights_only=True)
    content["preset"] = content["preset"].replace('"backbone_activation": "relu", ', "")  # as older versions wrote it
    torch.save(content, path)
    with pytest.raises(PretrainedError, match=message):
        initialise(build_backbone("mobilenet", 4, "bn", "relu6"), "mobilenet", str(path))
    initialise(build_backbone("mobilenet", 4, "bn", "relu"), "mobilenet", str(path))


@pytest.mark.parametrize("frame", [{"format": 1}, {"epoch": 3}])
def test_a_file_that_does_not_tell_its_activation_is_read_by_its_weights(tmp_path: Path, frame: dict[str, int]) -> None:
    path = tmp_path / "weights.pt"
    network = build_backbone("mobilenet", 4, "bn", "relu6")
    weights = {f"backbone.{key}": tensor + 1 for key, tensor in network.state_dict().items()}
    torch.save(frame | {"model": weights}, path)
    if "format" in frame:
        initialise(network, "mobilenet", str(path))
        assert all(torch.equal(network.state_dict()[key], weights[f"backbone.{key}"]) for key in network.state_dict())
    else:
        with pytest.raises(PretrainedError, match=r"weights\.pt: "):
            initialise(network, "mobilenet", str(path))


def test_the_error_names_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(
        PretrainedError, match=r"nope\.pth: no such file; --init takes imagenet, none or the path of a file"
    ):
        initialise(build_backbone("mobilenet", 4, "bn"), "mobilenet", str(tmp_path / "nope.pth"))


def test_a_file_without_weights_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "odd.pth"
    path.write_bytes(CONTENT)
    with pytest.raises(PretrainedError, match=r"odd\.pth: not a file of weights"):
        initialise(build_backbone("mobilenet", 4, "bn"), "mobilenet", str(path))
    torch.save(torch.zeros(3), path)
    with pytest.raises(PretrainedError, match=r"odd\.pth: not a file of weights: it contains a Tensor"):
        initialise(build_backbone("mobilenet", 4, "bn"), "mobilenet", str(path))


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "resnet.pth"
    with torch.device("meta"):
        resnet, vgg = build_backbone("resnet50", 4, "bn"), build_backbone("vgg16", 4, "bn")
    torch.save(torchvision_like(resnet), path)
    with pytest.raises(PretrainedError, match=r"resnet\.pth: the classifier of VGG-16 is missing"):
        initialise(vgg, "vgg16", str(path))
    with pytest.raises(PretrainedError, match=r"resnet\.pth: not the weights of resnet101: layer3\.10\."):
        initialise(build_backbone("resnet101", 4, "bn"), "resnet101", str(path))


def test_weights_of_other_shapes_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "wide.pth"
    backbone = build_backbone("resnet50", 4, "bn")
    torch.save(torchvision_like(backbone) | {"conv1.weight": torch.zeros(64, 3, 3, 3)}, path)
    with pytest.raises(
        PretrainedError, match=r"wide\.pth: not the weights of resnet50: .*size mismatch for conv1\.weight"
    ):
        initialise(backbone, "resnet50", str(path))
