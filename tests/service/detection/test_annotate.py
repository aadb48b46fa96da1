"""Drawing: lines, names and time are bounded, however large the image."""

import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from service.detection.annotate import COLOURS, MAX_NAME, MAX_THICKNESS, annotate
from service.detection.postprocess import Detections


def detections(*boxes: tuple[float, float, float, float]) -> Detections:
    """Detections of class 0 with these boxes."""
    num = len(boxes)
    return Detections(
        np.array(boxes, np.float32).reshape(num, 4), np.full(num, 0.5, np.float32), np.zeros(num, np.int32)
    )


def decoded(picture: bytes) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(picture)))


def is_coloured(pixels: NDArray[np.uint8]) -> list[bool]:
    """For each pixel of a column whether it is nearer to the colour of class 0 than to black."""
    return [sum(pixel) > sum(COLOURS[0]) / 2 for pixel in pixels.tolist()]


def test_the_thickness_of_lines_is_bounded() -> None:
    picture = decoded(annotate(np.zeros((3600, 3600, 3), np.uint8), detections((100, 1000, 3500, 3000)), ("a",)))
    column = is_coloured(picture[2500:, 1800])  # crosses the lower side of the box
    assert MAX_THICKNESS - 1 <= sum(column) <= MAX_THICKNESS + 1


def test_the_shorter_side_sets_the_size_of_lines_and_texts() -> None:
    picture = decoded(annotate(np.zeros((40, 60_000, 3), np.uint8), detections((0, 39, 60_000, 39)), ("a",)))
    assert 20 < sum(is_coloured(picture[30])) < 200  # the text's background; the longer side would make it 10,000 wide


def test_a_long_name_is_cut() -> None:
    image, found = np.zeros((60, 800, 3), np.uint8), detections((0, 30, 20, 50))
    cut = annotate(image.copy(), found, ("W" * MAX_NAME,))
    assert annotate(image.copy(), found, ("W" * 100_000,)) == cut


def test_boxes_that_touch_every_edge_are_drawn() -> None:
    picture = decoded(annotate(np.zeros((200, 65_000, 3), np.uint8), detections((-9, -9, 70_000, 300)), ("a",)))
    assert is_coloured(picture[100, [0, -1]]) == [True, True]


def test_an_image_that_can_be_written_is_not_copied() -> None:
    image, found = np.zeros((64, 64, 3), np.uint8), detections((10, 30, 50, 60))
    fixed = image.copy()
    fixed.flags.writeable = False
    assert annotate(image, found, ("a",)) == annotate(fixed, found, ("a",))
    assert image.any()
    assert not fixed.any()


def test_the_check_ends_the_drawing_between_two_boxes() -> None:
    num_checks = 0

    def check() -> None:
        nonlocal num_checks
        num_checks += 1
        if num_checks == 3:
            raise TimeoutError

    with pytest.raises(TimeoutError):
        annotate(np.zeros((64, 64, 3), np.uint8), detections(*[(1, 1, 9, 9)] * 100), ("a",), check)
    assert num_checks == 3


def test_lines_suit_the_side_that_is_given() -> None:
    image = np.zeros((1500, 1500, 3), np.uint8)
    found = Detections(np.array([[500, 500, 1000, 1000]], np.float32), np.ones(1, np.float32), np.zeros(1, np.int32))
    num_changed = [
        np.count_nonzero(np.asarray(Image.open(io.BytesIO(annotate(image.copy(), found, ["red"], side=side)))) > 60)
        for side in (None, 1500, 300)
    ]
    assert num_changed[0] == num_changed[1]
    assert num_changed[2] < num_changed[0] / 3
