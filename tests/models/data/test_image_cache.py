"""Images stay in memory if all of them fit."""

from pathlib import Path

import numpy as np

from models.data.data_set import Sample
from models.data.image_cache import SHARE, cache_bytes, num_bytes, read_all
from models.data.voc import read_voc
from service.bundle import InputSpec

TARGET = InputSpec(height=60, width=60, resize="stretch")


def sample_of(height: int, width: int) -> Sample:
    nothing = np.zeros(0, bool)
    return Sample(Path("none"), (height, width), np.zeros((0, 4), np.float32), np.zeros(0, np.int64), nothing, nothing)


def test_the_memory_is_that_of_the_reduced_images() -> None:
    assert num_bytes([sample_of(200, 241), sample_of(50, 70)], TARGET) == 3 * (100 * 121 + 50 * 70)
    assert num_bytes([sample_of(200, 241)], None) == 3 * 200 * 241


def test_nobody_knows_the_memory_of_images_without_a_size() -> None:
    assert num_bytes([sample_of(200, 241), sample_of(0, 0)], TARGET) == float("inf")


def test_images_are_kept_only_if_all_of_them_fit(voc_tree: Path) -> None:
    samples = read_voc(voc_tree, "train").samples
    total = num_bytes(samples, TARGET)
    assert read_all(samples, TARGET, total - 1) is None
    images = read_all(samples, TARGET, total)
    assert images is not None
    assert sum(image.pixels.nbytes for image in images) == total


def test_the_limit_of_a_container_counts(tmp_path: Path) -> None:
    limit = tmp_path / "memory.max"
    limit.write_text("8000000\n")
    assert cache_bytes(2, limit) == SHARE * 4_000_000
    limit.write_text("max\n")
    assert cache_bytes(1, limit) > SHARE * 8_000_000
