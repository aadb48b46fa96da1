"""Batches depend on the seed and the epoch, but not on the number of workers or shares."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from models.data import loader
from models.data.data_set import DataError, Sample
from models.data.image_cache import read_reduced
from models.data.loader import Example, TrainingImages, decoding_target, training_batches, training_images
from models.data.ssd_augmentation import AugmentConfig
from models.data.voc import read_voc
from service.bundle import InputSpec

SPEC = InputSpec(height=64, width=64, resize="stretch")
NO_AUGMENTATION = AugmentConfig(photometric=False, expand_probability=0, crop_probability=0, flip=0)


def images_of(tree: Path, seed: int = 0, config: AugmentConfig | None = None) -> TrainingImages:
    return TrainingImages(read_voc(tree, "train"), SPEC, config or AugmentConfig(), seed)


def example(images: TrainingImages, index: int) -> Example:
    found = images[0, index]
    assert not isinstance(found, DataError)
    return found


def flat(images: TrainingImages, num_workers: int, epochs: range = range(1)) -> list[torch.Tensor]:
    """All tensors of the batches of two images of some epochs, in order."""
    tensors = []
    for batch, targets in training_batches(images, epochs, 2, num_workers):
        tensors += [batch, *(x for target in targets for x in (target.boxes, target.labels, target.ignored))]
    return tensors


def same(a: list[torch.Tensor], b: list[torch.Tensor]) -> bool:
    return len(a) == len(b) and all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def test_batches_do_not_depend_on_the_number_of_workers(voc_tree: Path) -> None:
    epochs = range(1, 3)
    assert same(flat(images_of(voc_tree), 0, epochs), flat(images_of(voc_tree), 1, epochs))


def test_epochs_in_a_row_are_the_same_as_one_by_one(voc_tree: Path) -> None:
    images = images_of(voc_tree)
    one_by_one = [tensor for epoch in range(3) for tensor in flat(images, 0, range(epoch, epoch + 1))]
    assert same(flat(images, 0, range(3)), one_by_one)


def test_another_epoch_or_seed_gives_other_batches(voc_tree: Path) -> None:
    first = flat(images_of(voc_tree), 0)
    assert same(first, flat(images_of(voc_tree), 0))
    assert not same(first, flat(images_of(voc_tree), 0, range(1, 2)))
    assert not same(first, flat(images_of(voc_tree, seed=1), 0))


def test_batches_have_the_expected_shapes_and_types(voc_tree: Path) -> None:
    batch, targets = next(iter(training_batches(images_of(voc_tree), range(1), 4, 0)))
    assert (batch.shape, batch.dtype) == ((4, 64, 64, 3), torch.uint8)
    assert [target.boxes.dtype for target in targets] == [torch.float32] * 4
    assert [target.labels.dtype for target in targets] == [torch.int64] * 4


def test_an_epoch_contains_each_image_once(voc_tree: Path) -> None:
    images = images_of(voc_tree, config=NO_AUGMENTATION)
    epoch = torch.cat([batch for batch, _ in training_batches(images, range(1), 2, 0)])
    originals = [example(images, i)[0] for i in range(6)]
    assert sorted(next(i for i in range(6) if torch.equal(image, originals[i])) for image in epoch) == list(range(6))


@pytest.mark.parametrize(("batch_size", "sizes"), [(4, [4]), (6, [6]), (100, [6])])
def test_batches_are_full_or_contain_the_whole_set(voc_tree: Path, batch_size: int, sizes: list[int]) -> None:
    assert [len(batch) for batch, _ in training_batches(images_of(voc_tree), range(1), batch_size, 0)] == sizes


def test_difficult_objects_are_trained_on_and_crowds_are_ignored(voc_tree: Path) -> None:
    images = images_of(voc_tree, config=NO_AUGMENTATION)
    sample = images.data_set.samples[0]
    first, second = np.array([True, False]), np.array([False, True])
    changed = dataclasses.replace(sample, is_difficult=first, is_crowd=second)
    images = dataclasses.replace(images, data_set=dataclasses.replace(images.data_set, samples=(changed,)))
    targets = example(images, 0)[1]
    scale = np.array([64 / 128, 64 / 96] * 2)
    np.testing.assert_allclose(targets.boxes, sample.boxes[:1] * scale, rtol=1e-6)
    np.testing.assert_allclose(targets.ignored, sample.boxes[1:] * scale, rtol=1e-6)
    assert targets.labels.tolist() == sample.labels[:1].tolist()


@pytest.mark.parametrize("num_workers", [0, 1])
def test_images_in_memory_give_the_same_batches(voc_tree: Path, num_workers: int) -> None:
    images = images_of(voc_tree)
    cached = training_images(images.data_set, SPEC, AugmentConfig(), 0, num_workers)
    assert cached.decoded is not None
    assert same(flat(images, 0, range(2)), flat(cached, num_workers, range(2)))


def test_a_large_photo_is_reduced_and_its_boxes_with_it(voc_tree: Path) -> None:
    """The smallest crop, 0.3 of a side, still has the 64 pixels of the input; another factor of two is too much."""
    images = images_of(voc_tree, config=NO_AUGMENTATION)
    path = voc_tree / "large.png"
    Image.new("RGB", (1000, 900)).save(path)
    box = np.array([[100, 90, 500, 450]], np.float32)
    nothing = np.zeros(1, bool)
    photo = Sample(path, (0, 0), box, np.zeros(1, np.int64), nothing, nothing)
    assert read_reduced(photo, decoding_target(SPEC, AugmentConfig())).pixels.shape == (225, 250, 3)
    images = dataclasses.replace(images, data_set=dataclasses.replace(images.data_set, samples=(photo,)))
    image, targets = example(images, 0)
    assert image.shape == (64, 64, 3)
    np.testing.assert_allclose(targets.boxes, [[6.4, 6.4, 32, 32]], rtol=1e-6)


@pytest.mark.parametrize("num_workers", [0, 1])
def test_the_error_about_a_broken_image_is_one_line_with_its_name(voc_tree: Path, num_workers: int) -> None:
    (voc_tree / "JPEGImages" / "000004.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(DataError, match=r"000004\.png: .*replace the file") as caught:
        list(training_batches(images_of(voc_tree), range(1), 2, num_workers))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("batch_size", [4, 5])
def test_shares_of_a_batch_make_up_the_batch(voc_tree: Path, batch_size: int) -> None:
    [(whole, _)] = training_batches(images_of(voc_tree), range(1), batch_size, 0)
    shares = [
        next(iter(training_batches(images_of(voc_tree), range(1), batch_size, 0, share=share, num_shares=2)))[0]
        for share in range(2)
    ]
    assert [len(share) for share in shares] == [(batch_size + 1) // 2, batch_size // 2]
    for n in range(batch_size):
        assert torch.equal(whole[n], shares[n % 2][n // 2])


@pytest.mark.parametrize(
    ("asked", "device", "cores", "processes", "expected"),
    [
        (None, "cpu", 64, 1, 1),
        (None, "cuda", 64, 1, 8),
        (None, "cuda:1", 16, 4, 4),
        (None, "cuda", 1, 2, 1),
        (0, "cuda", 64, 1, 0),
    ],
)
def test_workers_share_the_cores_among_the_processes_of_a_gpu(
    asked: int | None, device: str, cores: int, processes: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loader, "num_cores", lambda: cores)
    monkeypatch.setattr(loader, "num_processes", lambda: processes)
    assert loader.choose_num_workers(asked, device) == expected
