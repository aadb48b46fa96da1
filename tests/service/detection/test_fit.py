"""Fitting images, and mapping boxes back."""

from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.bundle import InputSpec, Resize
from service.detection.fit import LETTERBOX_GREY, boxes_to_image, boxes_to_input, fit
from tests.service.image_files import smooth

STRETCH = InputSpec(height=320, width=320, resize="stretch")
LETTERBOX = InputSpec(height=320, width=320, resize="letterbox")
CENTRED = InputSpec(height=320, width=320, resize="centred-letterbox")


@pytest.mark.parametrize(
    ("height", "width"), [(1, 1), (1, 5000), (319, 321), (320, 320), (480, 640), (1000, 40), (2561, 3001)]
)
@pytest.mark.parametrize("spec", [STRETCH, LETTERBOX, CENTRED])
def test_any_shape_is_fitted(height: int, width: int, spec: InputSpec) -> None:
    fitted = fit(np.full((height, width, 3), 200, np.uint8), spec)
    assert fitted.shape == (320, 320, 3)
    assert fitted.flags.c_contiguous
    assert (fitted == 200).any()


def test_an_image_of_the_input_size_is_unchanged() -> None:
    image = smooth(320, 320)
    assert (fit(image, STRETCH) == image).all()
    assert (fit(image, LETTERBOX) == image).all()
    assert (fit(image, CENTRED) == image).all()


def test_a_letterboxed_image_keeps_its_shape_at_the_top_left() -> None:
    fitted = fit(np.full((100, 400, 3), 7, np.uint8), LETTERBOX)
    assert (fitted[:80] == 7).all()
    assert (fitted[80:] == LETTERBOX_GREY).all()


@pytest.mark.parametrize(("height", "content"), [(100, 80), (96, 77)])
def test_a_letterboxed_image_may_lie_in_the_centre(height: int, content: int) -> None:
    """As Ultralytics' LetterBox places it: of an odd rest, the smaller part is above."""
    fitted = fit(np.full((height, 400, 3), 7, np.uint8), CENTRED)
    top = (320 - content) // 2
    assert (fitted[top : top + content] == 7).all()
    assert (fitted[:top] == LETTERBOX_GREY).all()
    assert (fitted[top + content :] == LETTERBOX_GREY).all()


def test_boxes_in_a_centred_letterbox_map_back() -> None:
    boxes = np.array([[0, 120, 160, 200]], np.float32)
    assert boxes_to_image(boxes, CENTRED, (100, 400)).tolist() == [[0, 0, 200, 100]]
    assert boxes_to_input(np.array([[0, 0, 200, 100]], np.float32), CENTRED, (100, 400)).tolist() == boxes.tolist()


def test_shrinking_averages_instead_of_picking_pixels() -> None:
    stripes = np.zeros((1280, 1280, 3), np.uint8)
    stripes[:, ::2] = 255
    assert np.abs(fit(stripes, STRETCH).astype(int) - 127.5).max() <= 1


@settings(deadline=None)
@given(
    size=st.tuples(st.integers(1, 3000), st.integers(1, 3000)),
    corners=st.tuples(*[st.floats(0, 1, width=32)] * 4),
    resize=st.sampled_from(get_args(Resize)),
)
def test_to_the_input_and_back_is_the_identity(
    size: tuple[int, int], corners: tuple[float, ...], resize: Resize
) -> None:
    spec = InputSpec(height=320, width=512, resize=resize)
    height, width = size
    boxes = (np.array([corners]) * [width, height, width, height]).astype(np.float32)
    back = boxes_to_image(boxes_to_input(boxes, spec, size), spec, size)
    np.testing.assert_allclose(back, boxes, rtol=1e-5, atol=1e-4)


def test_boxes_are_clipped_to_the_image() -> None:
    boxes = np.array([[-5, -5, 400, 400]], np.float32)
    assert boxes_to_image(boxes, LETTERBOX, (100, 200)).tolist() == [[0, 0, 200, 100]]


def test_no_boxes_map_to_no_boxes() -> None:
    assert boxes_to_image(np.zeros((0, 4), np.float32), STRETCH, (10, 10)).shape == (0, 4)
