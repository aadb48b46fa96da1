"""The table of presets and the text of `describe`: numbers of PASSD."""

import pytest

from models.presets.catalogue import PRESETS, find_preset
from models.presets.describe import build_on_meta, describe, list_presets, size_of
from models.presets.overrides import override

SIZES = {  # parameters and boxes of the paper's models, and 10^9 multiply-adds of their convolutions
    "passd-320-vgg16": (24_866_205, 6_375, 35.89),
    "passd-512-vgg16": (24_866_205, 16_320, 91.87),
    "passd-512-vgg16-coco": (25_281_105, 16_320, 94.13),
    "passd-320-resnet101-coco": (47_477_329, 6_375, 18.92),
    "passd-768-resnet101-coco": (48_152_145, 36_828, 109.03),
    "passd-320-mobilenet-coco": (6_735_697, 6_375, 3.93),
}


@pytest.mark.parametrize("name", SIZES)
def test_parameters_boxes_and_multiply_adds_are_the_expected_ones(name: str) -> None:
    preset = find_preset(name)
    size = size_of(build_on_meta(preset, 80 if name.endswith("-coco") else 20), preset)
    assert (size.num_parameters, size.num_boxes, round(size.multiply_adds / 1e9, 2)) == SIZES[name]


def test_the_table_has_a_line_for_each_preset() -> None:
    names = ["passd-320-mobilenet", "passd-320-mobilenet-coco"]
    header, *lines = list_presets(PRESETS[name] for name in names).splitlines()
    assert "parameters" in header
    assert lines[0].split()[:4] == ["passd-320-mobilenet", "20", "6,320,797", "6,375"]
    assert lines[1].split()[:4] == ["passd-320-mobilenet-coco", "80", "6,735,697", "6,375"]


def test_described_parts_add_up_and_set_takes_the_described_settings() -> None:
    preset = find_preset("passd-320-mobilenet")
    text = describe(preset, 20)
    counts = {
        line.split()[0]: int(line.split()[1].replace(",", ""))
        for line in text.splitlines()
        if "," in line and "%" in line
    }
    assert (
        counts["backbone"] + counts["fpn"] + counts["objectness"] + counts["proposals"] + counts["attending"]
        == 6_320_797
    )
    changed = [line for line in text.splitlines() if line.startswith(("model.", "optim.", "augment."))]
    assert override(preset, changed) == preset
