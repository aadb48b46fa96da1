"""The images that calibrate a model in int8 are others than those that measure its loss."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from export.calibration import split_images, thinned
from export.errors import ExportError
from models.data.data_set import CocoSource, DataSet
from models.data.voc import read_voc
from tests.models.pictures import CLASSES, write_voc


@pytest.fixture
def data_set(tmp_path: Path) -> DataSet:
    return read_voc(write_voc(tmp_path / "rectangles", {"train": 10}), "train", CLASSES)


def test_each_fourth_image_is_held_out(data_set: DataSet) -> None:
    calibration, held_out = split_images(data_set, 1000)
    assert held_out.samples == data_set.samples[::4]
    assert sorted(s.image_path for s in (*calibration.samples, *held_out.samples)) == sorted(
        s.image_path for s in data_set.samples
    )


def test_fewer_images_are_spread_evenly_and_keep_their_ids(data_set: DataSet) -> None:
    source = CocoSource(Path("train.json"), (1, 2), tuple(range(100, 110)))
    few = thinned(replace(data_set, coco=source), 5)
    assert few.samples == data_set.samples[::2]
    assert few.coco is not None
    assert few.coco.image_ids == (100, 102, 104, 106, 108)
    assert thinned(data_set, 10) is data_set


def test_held_out_images_without_objects_are_refused_with_a_remedy(data_set: DataSet) -> None:
    first = data_set.samples[0]
    empty = replace(
        first,
        boxes=first.boxes[:0],
        labels=first.labels[:0],
        is_difficult=np.zeros(0, np.bool_),
        is_crowd=np.zeros(0, np.bool_),
    )
    with pytest.raises(ExportError, match=r"1 of 3 images are held out .* choose a larger --split or --images"):
        split_images(replace(data_set, samples=(empty, *data_set.samples[1:3])), 1000)
    with pytest.raises(ExportError, match="choose a larger --split"):
        split_images(replace(data_set, samples=data_set.samples[:1]), 1000)
