"""Batches depend on the seed and the epoch, but not on the number of workers or shares."""

from pathlib import Path

import pytest
import torch

from models.data.data_set import DataError
from models.data.loader import Example, TrainingImages, training_batches
from models.data.ssd_augmentation import AugmentConfig
from models.data.voc import read_voc
from service.bundle import InputSpec

SPEC = InputSpec(height=64, width=64, resize="stretch")
NO_AUGMENTATION = AugmentConfig(photometric=False, expand_probability=0, crop_probability=0, flip=0)


def images_of(tree: Path, epoch: int = 0, seed: int = 0, config: AugmentConfig | None = None) -> TrainingImages:
    return TrainingImages(read_voc(tree, "train"), SPEC, config or AugmentConfig(), seed, epoch)


def example(images: TrainingImages, index: int) -> Example:
    found = images[index]
    assert not isinstance(found, DataError)
    return found


def flat(images: TrainingImages, batch_size: int, num_workers: int) -> list[torch.Tensor]:
    """All tensors of an epoch, in order."""
    tensors = []
    for batch, targets in training_batches(images, batch_size, num_workers):
        tensors += [batch, *(tensor for target in targets for tensor in (target.boxes, target.labels))]
    return tensors


def same(a: list[torch.Tensor], b: list[torch.Tensor]) -> bool:
    return len(a) == len(b) and all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def test_batches_do_not_depend_on_the_number_of_workers(voc_tree: Path) -> None:
    without_worker, with_worker = flat(images_of(voc_tree), 2, 0), flat(images_of(voc_tree), 2, 1)
    assert same(without_worker, with_worker)


def test_another_epoch_or_seed_gives_other_batches(voc_tree: Path) -> None:
    first = flat(images_of(voc_tree), 2, 0)
    assert same(first, flat(images_of(voc_tree), 2, 0))
    assert not same(first, flat(images_of(voc_tree, epoch=1), 2, 0))
    assert not same(first, flat(images_of(voc_tree, seed=1), 2, 0))


def test_batches_have_the_expected_shapes_and_types(voc_tree: Path) -> None:
    batch, targets = next(iter(training_batches(images_of(voc_tree), 4, 0)))
    assert (batch.shape, batch.dtype) == ((4, 64, 64, 3), torch.uint8)
    assert [target.boxes.dtype for target in targets] == [torch.float32] * 4
    assert [target.labels.dtype for target in targets] == [torch.int64] * 4


def test_an_epoch_contains_each_image_once(voc_tree: Path) -> None:
    images = images_of(voc_tree, config=NO_AUGMENTATION)
    epoch = torch.cat([batch for batch, _ in training_batches(images, 2, 0)])
    originals = [example(images, i)[0] for i in range(6)]
    assert sorted(next(i for i in range(6) if torch.equal(image, originals[i])) for image in epoch) == list(range(6))


@pytest.mark.parametrize(("batch_size", "sizes"), [(4, [4]), (6, [6]), (100, [6])])
def test_batches_are_full_or_contain_the_whole_set(voc_tree: Path, batch_size: int, sizes: list[int]) -> None:
    assert [len(batch) for batch, _ in training_batches(images_of(voc_tree), batch_size, 0)] == sizes


def test_difficult_objects_are_not_trained_on(voc_tree: Path) -> None:
    path = voc_tree / "Annotations" / "000000.xml"
    path.write_text(path.read_text().replace("<bndbox>", "<difficult>1</difficult><bndbox>"))
    assert len(example(images_of(voc_tree, config=NO_AUGMENTATION), 0)[1].boxes) == 0
    assert len(example(images_of(voc_tree, config=NO_AUGMENTATION), 1)[1].boxes) == 2


@pytest.mark.parametrize("num_workers", [0, 1])
def test_the_error_about_a_broken_image_is_one_line_with_its_name(voc_tree: Path, num_workers: int) -> None:
    (voc_tree / "JPEGImages" / "000004.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(DataError, match=r"000004\.png: .*replace the file") as caught:
        list(training_batches(images_of(voc_tree), 2, num_workers))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("batch_size", [4, 5])
def test_shares_of_a_batch_make_up_the_batch(voc_tree: Path, batch_size: int) -> None:
    [(whole, _)] = training_batches(images_of(voc_tree), batch_size, 0)
    shares = [next(iter(training_batches(images_of(voc_tree), batch_size, 0, share, 2)))[0] for share in range(2)]
    assert [len(share) for share in shares] == [(batch_size + 1) // 2, batch_size // 2]
    for n in range(batch_size):
        assert torch.equal(whole[n], shares[n % 2][n // 2])
