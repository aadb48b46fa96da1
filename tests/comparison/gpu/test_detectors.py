"""Inference of the detectors as one function, and constants that are made once."""

import torch

from comparison.gpu.detectors import KeptConstants, detect, make_detector, random_batch, random_images


def test_constants_are_made_once_and_change_nothing() -> None:
    model, images = make_detector("passd-320-mobilenet", "cpu"), random_images(1, 320)
    with torch.inference_mode():
        plain = detect(model, images, torch.float32)
        with KeptConstants():
            kept, again = (detect(model, images, torch.float32) for _ in range(2))
            first, second = (torch.tensor([1.0, 2.0]) for _ in range(2))
    assert first is second
    for tensors in zip(plain, kept, again, strict=True):
        assert torch.equal(tensors[0], tensors[1])
        assert torch.equal(tensors[0], tensors[2])


def test_random_objects_are_inside_their_images() -> None:
    _, targets = random_batch(4, 320)
    boxes = torch.cat([target.boxes for target in targets])
    assert boxes.min() >= 0
    assert boxes.max() <= 320
    assert (boxes[:, 2:] > boxes[:, :2]).all()
