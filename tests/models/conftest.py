"""Fixtures of the models' tests: one thread, so that the order of sums is fixed, and a small data set to train on."""

from pathlib import Path

import pytest
import torch

from tests.models.pictures import write_voc


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def voc_tree(tmp_path: Path) -> Path:
    """A Pascal VOC tree of 6 training and 3 test images of red and green rectangles."""
    return write_voc(tmp_path / "voc", {"train": 6, "test": 3})
