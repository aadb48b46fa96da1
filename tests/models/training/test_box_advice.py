"""The report on the preset's boxes at the start of a run: its shares, its advice, its warning."""

from pathlib import Path

import numpy as np
import pytest

from models.__main__ import main
from models.data.data_set import DataSet, Sample
from models.presets.catalogue import find_preset
from models.presets.overrides import override
from models.training.box_advice import box_advice, object_sizes


def data_set(*sizes: tuple[float, float], classes: tuple[str, ...] = ("small", "large"), crowds: int = 0) -> DataSet:
    """One image of 640 x 320 pixels for each size (width, height); even ones are small, odd ones large."""
    samples = tuple(
        Sample(
            Path(f"{n}.png"),
            (320, 640),
            np.array([[8, 8, 8 + width, 8 + height]], np.float32),
            np.array([n % len(classes)]),
            np.array([False]),
            np.array([n >= len(sizes) - crowds]),
        )
        for n, (width, height) in enumerate(sizes)
    )
    return DataSet("sizes", "train", classes, samples, 0)


def test_a_class_that_no_box_fits_gets_the_setting_that_fits_it() -> None:
    """Objects of 18 pixels reach IoU 0.5 with boxes of 24 pixels, the smallest ones with a box size of 3 or less."""
    data = data_set(*[(36, 18), (200, 100)] * 20)  # 18 and 100 pixels, squares at 320 x 320
    preset = find_preset("passd-320-mobilenet")
    lines = box_advice(preset, data)
    assert lines[0].startswith("default boxes: IoU 0.5 is reached by 50.0% of the objects, 0.0% of small")
    assert lines[1].startswith("default boxes: add --set model.box_size=3: then 100.0% of the objects")
    assert lines[2].startswith("warning: the default boxes fit only 50% of the objects; add --set model.box_size=3")
    better = override(preset, ["model.box_size=3"])
    assert [line.startswith("default boxes: IoU 0.5 is reached by 100.0%") for line in box_advice(better, data)] == [
        True
    ]


def test_long_objects_are_no_reason_for_another_box_size() -> None:
    """The IoU of a square box and an object of aspect ratio 4 is at most 1 / (2 sqrt(4) - 1) = 1/3."""
    lines = box_advice(find_preset("passd-320-mobilenet"), data_set(*[(200, 100), (400, 50)] * 20))
    assert len(lines) == 2
    assert lines[1].startswith("warning: the default boxes fit only 50%")
    assert "--set" not in lines[1]


def test_anchors_are_reported_and_not_advised() -> None:
    lines = box_advice(find_preset("retinanet-320-mobilenet"), data_set(*[(10, 10), (100, 100)] * 4))
    assert [line.split(":")[0] for line in lines] == ["anchors", "warning"]
    assert "--set" not in lines[1]


def test_without_boxes_or_sizes_nothing_is_said() -> None:
    assert box_advice(find_preset("fsaf-320-mobilenet"), data_set((100, 100))) == []
    assert box_advice(find_preset("passd-320-mobilenet"), data_set()) == []
    assert box_advice(find_preset("passd-320-mobilenet"), data_set((50, 50), crowds=1)) == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("passd-320-mobilenet", [50, 100]),  # stretched to 320 x 320
        ("retinanet-320-mobilenet", [50, 50]),  # letterboxed
        ("retinanet-resnet50", [1333 / 640 * 100, 1333 / 640 * 100]),  # a short side of 800 would exceed 1333
    ],
)
def test_sizes_are_in_pixels_of_the_input(name: str, expected: list[float]) -> None:
    sizes, labels = object_sizes(find_preset(name), data_set((100, 100), (100, 100), crowds=1))
    assert sizes[0].tolist() == pytest.approx(expected)
    assert labels.tolist() == [0]


def test_a_run_begins_with_the_report(voc_tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["train", "passd-320-mobilenet", "--data", str(voc_tree), "--split", "train", "--out", str(tmp_path)]
    (tmp_path / "last.pt").touch()  # so that the run ends there
    assert main([*arguments, "--device", "cpu"]) == 1
    assert "default boxes: IoU 0.5 is reached by " in capsys.readouterr().out
