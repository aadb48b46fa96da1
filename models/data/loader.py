"""Batches of training images. They depend on the seed and the epoch, but not on the number of worker processes."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.multiprocessing import get_start_method
from torch.utils.data import DataLoader, Dataset

from models.data.data_set import DataError, DataSet
from models.data.image_cache import cache_bytes, read_all, read_reduced
from models.data.objects import objects_of
from models.data.scale_jitter import ScaleJitterConfig, jitter, pad
from models.data.ssd_augmentation import AugmentConfig, augment
from models.detector import Targets
from models.distributed import num_processes
from service.bundle import InputSpec
from service.cores import num_cores
from service.detection.decode import DecodedImage

Example = tuple[Tensor, Targets]
Batch = tuple[Tensor, list[Targets]]
Key = tuple[int, int]  # (epoch, index in the data set) of a training image

MAX_WORKERS = 8


@dataclass(frozen=True)
class TrainingImages(Dataset[Example | DataError]):
    """Augmented training images by epoch and index: uint8 (H, W, 3) and their targets.

    The type of `config` selects the augmentation: SSD's gives images of the size of `spec`, scale jitter gives various
    sizes. `decoded` holds the images that need not be decoded again. An unreadable image is returned as a DataError,
    because an error raised in a worker process arrives with a stack trace around it.
    """

    data_set: DataSet
    spec: InputSpec
    config: AugmentConfig | ScaleJitterConfig
    seed: int
    decoded: tuple[DecodedImage, ...] | None = None

    def __len__(self) -> int:
        return len(self.data_set.samples)

    def __getitem__(self, key: Key) -> Example | DataError:
        epoch, index = key
        sample = self.data_set.samples[index]
        rng = np.random.default_rng((self.seed, epoch, index))
        try:
            decoded = (
                self.decoded[index] if self.decoded else read_reduced(sample, decoding_target(self.spec, self.config))
            )
        except DataError as error:
            return error
        image = decoded.pixels
        scale = np.array([image.shape[1] / decoded.width, image.shape[0] / decoded.height] * 2, np.float32)
        objects = objects_of(sample).map(lambda boxes: boxes * scale)
        if isinstance(self.config, ScaleJitterConfig):
            image, objects = jitter(image, objects, self.config, rng)
        else:
            image, objects = augment(image, objects, self.spec, self.config, rng)
        boxes, labels, ignored = (torch.from_numpy(x) for x in (objects.boxes, objects.labels, objects.ignored))
        return torch.from_numpy(image), Targets(boxes, labels, ignored)


def decoding_target(spec: InputSpec, config: AugmentConfig | ScaleJitterConfig) -> InputSpec | None:
    """The input that a decoded image must suit: the smallest crop of an image has as many pixels as the input.

    Scale jitter resizes the whole image once, so nothing is gained.
    """
    if isinstance(config, ScaleJitterConfig):
        return None
    height, width = (math.ceil(side / config.crop_min) for side in (spec.height, spec.width))
    return InputSpec(height=height, width=width, resize=spec.resize)


def training_images(
    data_set: DataSet,
    spec: InputSpec,
    config: AugmentConfig | ScaleJitterConfig,
    seed: int,
    num_workers: int,
) -> TrainingImages:
    """The training images of a run, decoded into memory if they fit; worker processes share that memory if forked."""
    max_bytes = cache_bytes(num_processes()) if num_workers == 0 or get_start_method() == "fork" else 0
    decoded = read_all(data_set.samples, decoding_target(spec, config), max_bytes)
    return TrainingImages(data_set, spec, config, seed, decoded)


def steps_per_epoch(num_images: int, batch_size: int) -> int:
    """Images that fill no batch are left to other epochs; a smaller data set is one batch."""
    return max(num_images // batch_size, 1)


def training_batches(
    images: TrainingImages,
    epochs: range,
    batch_size: int,
    num_workers: int,
    *,
    share: int = 0,
    num_shares: int = 1,
    pin_memory: bool = False,
) -> Iterator[Batch]:
    """The batches of all epochs, each epoch in its own random order: uint8 (B, H, W, 3) and the targets.

    Each batch is divided into `num_shares` shares; the iterator gives share number `share` of each. The workers go on
    from epoch to epoch without a break.
    """
    batches = batch_keys(images, epochs, batch_size, share, num_shares)
    loader = DataLoader(
        images, batch_sampler=batches, num_workers=num_workers, collate_fn=collate, pin_memory=pin_memory
    )
    for batch in loader:
        if isinstance(batch, DataError):
            raise batch
        yield batch


def batch_keys(
    images: TrainingImages, epochs: range, batch_size: int, share: int, num_shares: int
) -> Iterator[list[Key]]:
    """The keys of one share of each batch."""
    for epoch in epochs:
        order = np.random.default_rng((images.seed, epoch)).permutation(len(images)).tolist()
        for step in range(steps_per_epoch(len(images), batch_size)):
            batch = order[step * batch_size : (step + 1) * batch_size]
            yield [(epoch, index) for index in batch[share::num_shares]]


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


def choose_num_workers(asked: int | None, device: str) -> int:
    """The number of processes that prepare images: `asked`, or enough to keep a GPU busy, if there are the cores.

    On a CPU, one worker prepares many times as many images as the other cores can train on.
    """
    if asked is not None:
        return asked
    return 1 if torch.device(device).type == "cpu" else max(1, min(MAX_WORKERS, num_cores() // num_processes()))
