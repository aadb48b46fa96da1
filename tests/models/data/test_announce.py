"""What the console says of a data set."""

from pathlib import Path

import pytest

from models.data.announce import announce, announce_shared
from models.data.open import open_data_set
from tests.models.pictures import annotation


def test_images_without_objects_and_dropped_boxes_are_counted(
    voc_tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    annotations = sorted((voc_tree / "Annotations").iterdir())
    annotations[0].write_text(annotation(128, 96, [("red", (5, 5, 5, 5)), ("red", (200, 5, 210, 9))]))
    announce(open_data_set(voc_tree, "train"))
    printed = capsys.readouterr()
    assert printed.out == "voc/train: 6 images (1 without objects), 10 objects of 2 classes (green, red)\n"
    assert printed.err.splitlines() == [
        f"note: voc/train: dropped boxes without area: 1 (first: {annotations[0]}: object 1 (red))",
        f"note: voc/train: dropped boxes outside of their image: 1 (first: {annotations[0]}: object 2 (red))",
    ]


def test_images_that_are_trained_on_and_measured_on_are_counted(
    voc_tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    splits = voc_tree / "ImageSets" / "Main"
    names = {split: (splits / f"{split}.txt").read_text().split() for split in ("train", "test")}
    (splits / "mixed.txt").write_text("\n".join([*names["train"][:2], *names["test"]]))
    train_set, test_set, mixed = (open_data_set(voc_tree, split) for split in ("train", "test", "mixed"))
    announce_shared(train_set, test_set)
    assert capsys.readouterr().err == ""
    announce_shared(train_set, mixed)
    assert capsys.readouterr().err == (
        "warning: 2 of the 5 images of voc/mixed are trained on too: the AP on them says nothing about new images\n"
    )
