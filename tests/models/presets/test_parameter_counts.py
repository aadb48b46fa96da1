"""The number of parameters of each model and prediction module: PASSD, Tables 1, 3, 5 and 6.

The paper gives millions with two decimals; these exact numbers are those of the only reading that agrees with all.
"""

from dataclasses import replace

import pytest
import torch

from models.backbones.build import BackboneName, build_backbone
from models.backbones.resnet import ResNet
from models.papers.ablation import variant
from models.papers.rows import PASSD_ROWS
from models.passd.passd import PASSD, PASSDConfig
from models.presets.catalogue import find_preset
from models.presets.describe import build_on_meta, num_parameters

VGG = PASSDConfig("vgg16", 320)
RESNET = PASSDConfig("resnet101", 320)
MOBILENET = PASSDConfig("mobilenet", 320)

ROW_COUNTS = {  # of Tables 1 and 3, at 21 classes with VGG-16, ResNet-101 and MobileNet
    "conv": (24_824_715, 47_020_939, 6_279_307),
    "unclipped": (24_866_205, 47_062_429, 6_320_797),
    "clipped": (24_866_205, 47_062_429, 6_320_797),
    "dilation2": (24_866_205, 47_062_429, 6_320_797),
    "dilation3": (24_866_205, 47_062_429, 6_320_797),
    "deformable": (24_907_695, 47_103_919, 6_362_287),
    "pa": (24_866_205, 47_062_429, 6_320_797),
    "conv1-conv": (26_004_875, 48_201_099, 7_459_467),
    "conv2-conv": (27_185_035, 49_381_259, 8_639_627),
    "resblock1-conv": (27_185_035, 49_381_259, 8_639_627),
    "resblock2-conv": (29_545_355, 51_741_579, 10_999_947),
}
TABLE_1_AND_3 = {  # millions with VGG-16, as printed
    "conv": "24.82",
    "unclipped": "24.87",
    "clipped": "24.87",
    "dilation2": "24.87",
    "dilation3": "24.87",
    "deformable": "24.91",
    "pa": "24.87",
    "conv1-conv": "26.00",
    "conv2-conv": "27.19",
    "resblock1-conv": "27.19",
    "resblock2-conv": "29.55",
}


def count(config: PASSDConfig, num_classes: int) -> int:
    """The number of parameters of a model, built without memory."""
    with torch.device("meta"):
        return num_parameters(PASSD(config, tuple(str(i) for i in range(num_classes))))


@pytest.mark.parametrize("row", PASSD_ROWS)
def test_prediction_modules_have_the_parameters_of_tables_1_and_3(row: str) -> None:
    bases = [find_preset(f"passd-320-{backbone}") for backbone in ("vgg16", "resnet101", "mobilenet")]
    assert (
        tuple(num_parameters(build_on_meta(variant(base, PASSD_ROWS[row], 0), 20)) for base in bases) == ROW_COUNTS[row]
    )
    assert f"{ROW_COUNTS[row][0] / 1e6:.2f}" == TABLE_1_AND_3[row]


@pytest.mark.parametrize(
    ("config", "expected", "mebibytes"),
    [
        (VGG, 25_281_105, "96"),
        (RESNET, 47_477_329, "181"),
        (PASSDConfig("resnet101", 768, num_levels=5), 48_152_145, "184"),
    ],
)
def test_models_have_the_parameters_of_table_5_at_81_classes(
    config: PASSDConfig, expected: int, mebibytes: str
) -> None:
    assert count(config, 80) == expected
    assert f"{expected * 4 / 2**20:.0f}" == mebibytes


def test_mobilenet_has_the_parameters_of_table_6_at_81_classes() -> None:
    assert count(MOBILENET, 80) == 6_735_697
    assert f"{6_735_697 / 1e6:.1f}" == "6.7"


def test_the_input_size_does_not_change_the_parameters() -> None:
    assert count(replace(VGG, input_size=512), 20) == count(VGG, 20)


def test_vgg_with_batch_norm_has_no_l2norm() -> None:
    """Batch norm after each of the 13 convolutions has 8,448 parameters; L2Norm has 512."""
    assert count(replace(VGG, backbone="vgg16bn"), 20) == 24_874_141


@pytest.mark.parametrize(("config", "expected"), [(VGG, 25_278_161), (RESNET, 47_475_537), (MOBILENET, 6_733_905)])
def test_models_without_norms_in_new_convolutions_have_the_expected_parameters(
    config: PASSDConfig, expected: int
) -> None:
    assert count(replace(config, new_conv_norm="none"), 80) == expected


@pytest.mark.parametrize(
    ("name", "num_levels", "expected"),
    [
        ("vgg16", 4, 20_483_904 + 512 + 1_804_544),
        ("vgg16bn", 4, 20_492_352 + 1_804_544),
        ("resnet50", 3, 23_508_032),
        ("resnet101", 3, 42_500_160),
        ("resnet101", 4, 42_500_160 + 1_526_272),
        ("resnext101", 3, 81_406_272),
        ("mobilenet", 4, 3_206_976 + 536_576),
    ],
)
def test_base_networks_have_the_expected_parameters(name: BackboneName, num_levels: int, expected: int) -> None:
    with torch.device("meta"):
        assert num_parameters(build_backbone(name, num_levels, "bn")) == expected


def test_the_extra_block_of_resnet_has_the_expected_parameters() -> None:
    with torch.device("meta"):
        assert num_parameters(ResNet((3, 4, 23, 3), num_extras=1).extras) == 1_526_272
