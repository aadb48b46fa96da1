"""Batches of training images. They depend on the seed and the epoch, but not on the number of worker processes."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from models.data.data_set import DataError, DataSet
from models.data.scale_jitter import ScaleJitterConfig, jitter, pad
from models.data.ssd_augmentation import AugmentConfig, augment
from models.detector import Targets
from service.bundle import InputSpec

Example = tuple[Tensor, Targets]
Batch = tuple[Tensor, list[Targets]]


@dataclass(frozen=True)
class TrainingImages(Dataset[Example | DataError]):
    """Augmented training images of one epoch: uint8 (H, W, 3) and their targets.

    The type of `config` selects the augmentation: SSD's gives images of the size of `spec`, scale jitter gives various
    sizes. An unreadable image is returned as a DataError, because an error raised in a worker process arrives with a
    stack trace around it.
    """

    data_set: DataSet
    spec: InputSpec
    config: AugmentConfig | ScaleJitterConfig
    seed: int
    epoch: int

    def __len__(self) -> int:
        return len(self.data_set.samples)

    def __getitem__(self, index: int) -> Example | DataError:
        sample = self.data_set.samples[index]
        rng = np.random.default_rng((self.seed, self.epoch, index))
        easy = ~sample.is_uncounted
        try:
            image = sample.read_image()
        except DataError as error:
            return error
        boxes, labels = sample.boxes[easy], sample.labels[easy]
        if isinstance(self.config, ScaleJitterConfig):
            image, boxes = jitter(image, boxes, self.config, rng)
        else:
            image, boxes, labels = augment(image, boxes, labels, self.spec, self.config, rng)
        return torch.from_numpy(image), Targets(torch.from_numpy(boxes), torch.from_numpy(labels))


def training_batches(
    images: TrainingImages, batch_size: int, num_workers: int, share: int = 0, num_shares: int = 1
) -> Iterator[Batch]:
    """One epoch in random order, in batches of uint8 (B, H, W, 3); images that fill no batch are left to other epochs.

    Each batch is divided into `num_shares` shares; the iterator gives share number `share` of each.
    """
    order = np.random.default_rng((images.seed, images.epoch)).permutation(len(images)).tolist()
    batch_size = min(batch_size, len(order))
    starts = range(0, len(order) - batch_size + 1, batch_size)
    batches = [order[start : start + batch_size][share::num_shares] for start in starts]
    for batch in DataLoader(images, batch_sampler=batches, num_workers=num_workers, collate_fn=collate):
        if isinstance(batch, DataError):
            raise batch
        yield batch


def collate(examples: list[Example | DataError]) -> Batch | DataError:
    """A batch of examples, padded to the largest height and width; or the first error among them."""
    whole = []
    for example in examples:
        if isinstance(example, DataError):
            return example
        whole.append(example)
    height, width = (max(image.shape[side] for image, _ in whole) for side in (0, 1))
    images = [torch.from_numpy(pad(image.numpy(), height, width)) for image, _ in whole]
    return torch.stack(images), [targets for _, targets in whole]
