"""Base networks: the shapes of their feature maps, and the keys of their weights, which are torchvision's."""

import pytest
import torch
from torch import nn

from models.backbones.build import BackboneName, build_backbone
from models.backbones.resnet import Bottleneck, ResNet
from models.backbones.vgg import VGG16, L2Norm

MAPS_OF_320 = {
    "vgg16": [(512, 40, 40), (1024, 20, 20), (512, 10, 10), (256, 5, 5)],
    "vgg16bn": [(512, 40, 40), (1024, 20, 20), (512, 10, 10), (256, 5, 5)],
    "resnet50": [(512, 40, 40), (1024, 20, 20), (2048, 10, 10), (512, 5, 5)],
    "resnet101": [(512, 40, 40), (1024, 20, 20), (2048, 10, 10), (512, 5, 5)],
    "resnext101": [(512, 40, 40), (1024, 20, 20), (2048, 10, 10), (512, 5, 5)],
    "mobilenet": [(256, 40, 40), (512, 20, 20), (1024, 10, 10), (512, 5, 5)],
}


@pytest.mark.parametrize("name", MAPS_OF_320)
def test_an_input_of_320_pixels_has_four_maps(name: BackboneName) -> None:
    with torch.device("meta"):
        backbone = build_backbone(name, 4, "bn").eval()
        maps = backbone(torch.zeros(2, 3, 320, 320))
    assert [tuple(x.shape[1:]) for x in maps] == MAPS_OF_320[name]
    assert [x.shape[1] for x in maps] == list(backbone.channels)
    assert [320 // x.shape[2] for x in maps] == list(backbone.strides)


def test_an_input_of_768_pixels_has_a_fifth_map() -> None:
    with torch.device("meta"):
        maps = build_backbone("resnet101", 5, "bn").eval()(torch.zeros(1, 3, 768, 768))
    assert tuple(maps[-1].shape[1:]) == (512, 6, 6)


@pytest.mark.parametrize(("name", "num_levels"), [("vgg16", 5), ("mobilenet", 5), ("resnet101", 6), ("resnet50", 2)])
def test_a_number_of_levels_that_a_network_does_not_have_is_refused(name: BackboneName, num_levels: int) -> None:
    with torch.device("meta"), pytest.raises(ValueError, match=f"num_levels is {num_levels}"):
        build_backbone(name, num_levels, "bn")


def test_mobilenet_has_one_activation_everywhere_and_the_others_have_relu() -> None:
    with torch.device("meta"):
        layers = [type(layer) for layer in build_backbone("mobilenet", 4, "bn", "relu6").modules()]
        assert (layers.count(nn.ReLU6), layers.count(nn.ReLU)) == (29, 0)
        with pytest.raises(ValueError, match="backbone_activation is relu6; resnet50 has relu"):
            build_backbone("resnet50", 4, "bn", "relu6")


def norm_keys(prefix: str) -> set[str]:
    return {f"{prefix}.{key}" for key in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")}


@pytest.mark.parametrize(
    ("batch_norm", "convs"),
    [
        (False, (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)),
        (True, (0, 3, 7, 10, 14, 17, 20, 24, 27, 30, 34, 37, 40)),
    ],
)
def test_vgg_features_have_torchvisions_keys(batch_norm: bool, convs: tuple[int, ...]) -> None:
    with torch.device("meta"):
        found = {key for key in VGG16(batch_norm, "bn").state_dict() if key.startswith("features.")}
    expected = {f"features.{i}.{part}" for i in convs for part in ("weight", "bias")}
    if batch_norm:
        expected = expected.union(*(norm_keys(f"features.{i + 1}") for i in convs))
    assert found == expected


@pytest.mark.parametrize(
    ("name", "blocks"), [("resnet50", (3, 4, 6, 3)), ("resnet101", (3, 4, 23, 3)), ("resnext101", (3, 4, 23, 3))]
)
def test_resnet_trunks_have_torchvisions_keys(name: BackboneName, blocks: tuple[int, ...]) -> None:
    with torch.device("meta"):
        found = set(build_backbone(name, 3, "bn").state_dict())
    expected = {"conv1.weight"} | norm_keys("bn1")
    for stage, count in enumerate(blocks, 1):
        for block in range(count):
            prefix = f"layer{stage}.{block}"
            for i in (1, 2, 3):
                expected |= {f"{prefix}.conv{i}.weight"} | norm_keys(f"{prefix}.bn{i}")
        expected |= {f"layer{stage}.0.downsample.0.weight"} | norm_keys(f"layer{stage}.0.downsample.1")
    assert found == expected


def test_resnext_has_64_groups_of_4_channels() -> None:
    with torch.device("meta"):
        backbone = build_backbone("resnext101", 3, "bn")
    assert isinstance(backbone, ResNet)
    first, last = backbone.layer1[0], backbone.layer4[0]
    assert isinstance(first, Bottleneck)
    assert isinstance(last, Bottleneck)
    assert tuple(first.conv2.weight.shape) == (256, 4, 3, 3)
    assert tuple(last.conv2.weight.shape) == (2048, 32, 3, 3)


def test_fc6_is_dilated_and_pool5_keeps_the_size() -> None:
    """SSD §3: pool5 changes from 2x2-s2 to 3x3-s1, and fc6 is dilated."""
    with torch.device("meta"):
        vgg = VGG16(False, "bn")
    assert (vgg.fc6.dilation, vgg.fc6.padding) == ((6, 6), (6, 6))
    pools = [layer for layer in vgg.features if isinstance(layer, nn.MaxPool2d)]
    assert [(pool.kernel_size, pool.stride, pool.ceil_mode) for pool in pools] == [
        (2, 2, False),
        (2, 2, False),
        (2, 2, True),
        (2, 2, False),
        (3, 1, False),
    ]


def test_stride_8_of_vgg_is_conv4_3_after_its_relu_scaled_to_length_20() -> None:
    torch.manual_seed(0)
    vgg = VGG16(False, "bn").eval()
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        stride_8 = vgg(images)[0]
        conv4_3 = images
        for layer in list(vgg.features)[:23]:  # up to the ReLU after torchvision's features.21
            conv4_3 = layer(conv4_3)
    torch.testing.assert_close(stride_8, 20 * conv4_3 / conv4_3.norm(dim=1, keepdim=True))
    assert (stride_8 >= 0).all()


def test_l2norm_leaves_a_cell_of_zeros_unchanged() -> None:
    layer = L2Norm(4)
    features = torch.zeros(1, 4, 1, 2)
    features[0, :, 0, 0] = torch.tensor([3.0, 0, 4, 0])
    normed = layer(features)
    torch.testing.assert_close(normed[0, :, 0, 0], torch.tensor([12.0, 0, 16, 0]))
    assert not normed[0, :, 0, 1].any()
    assert sum(p.numel() for p in layer.parameters()) == 4


def test_extra_blocks_have_gaussian_initial_weights() -> None:
    """PASSD §6.1: all new convolutions, sigma 0.01."""
    torch.manual_seed(0)
    for convs in (
        [m for m in VGG16(False, "bn").conv8.modules() if isinstance(m, nn.Conv2d)],
        [m for m in ResNet((1, 1, 1, 1), num_extras=2).extras.modules() if isinstance(m, nn.Conv2d)],
    ):
        for layer in convs:
            assert layer.weight.std().item() == pytest.approx(0.01, rel=0.02)
