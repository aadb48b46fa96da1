"""Pictures of all forms, as the server decodes what is sent."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from service.detection.decode import decode_image
from singleshot.client import picture as picture_module
from singleshot.client.picture import file_bytes
from tests.service.image_files import smooth


def decoded(picture: Any) -> NDArray[np.uint8]:
    """What the server sees, uint8 [H, W, 3]."""
    return decode_image(file_bytes(picture), max_pixels=10**8).pixels


@given(
    height=st.integers(1, 20),
    width=st.integers(1, 20),
    seed=st.integers(0, 2**32 - 1),
    is_flipped=st.booleans(),
    is_large=st.booleans(),
)
def test_an_array_arrives_without_loss(height: int, width: int, seed: int, is_flipped: bool, is_large: bool) -> None:
    array = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    array = array[:, ::-1] if is_flipped else array
    before = array.copy()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(picture_module, "MAX_BMP_PIXELS", 0 if is_large else 10**6)
        assert (decoded(array) == array).all()
        assert (decoded(array[:, :, ::-1]) == array[:, :, ::-1]).all()
        assert (decoded(array[:, :, 0]) == array[:, :, :1]).all()
        assert (decoded(array[:, :, 1:2]) == array[:, :, 1:2]).all()
    assert (array == before).all()


def test_a_large_array_is_sent_as_png_and_a_small_one_as_bmp(monkeypatch: pytest.MonkeyPatch) -> None:
    assert file_bytes(smooth()).startswith(b"BM")
    monkeypatch.setattr(picture_module, "MAX_BMP_PIXELS", 100)
    assert file_bytes(smooth()).startswith(b"\x89PNG")


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "HSV"])
def test_each_mode_of_pillow_arrives_as_its_colours(mode: str) -> None:
    image = Image.fromarray(smooth()).convert(mode)
    assert (decoded(image) == np.asarray(image.convert("RGB"))).all()


def test_transparent_pixels_are_white_as_in_the_file() -> None:
    image = Image.fromarray(smooth()).convert("RGBA")
    image.putalpha(0)
    file = io.BytesIO()
    image.save(file, "PNG")
    assert (decoded(image) == 255).all()
    assert (decoded(image) == decoded(file.getvalue())).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_image_of_pillow_is_upright_as_its_file(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    Image.fromarray(smooth()).save(file, "PNG", exif=exif)
    with Image.open(file) as image:
        assert (decoded(image) == decoded(file.getvalue())).all()


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((4, 4, 3), np.float32), "the array holds float32; arrays are uint8"),
        (np.zeros((3, 8, 8), np.uint8), r"the array has the shape \(3, 8, 8\)"),
        (np.zeros((8, 8, 4), np.uint8), r"the array has the shape \(8, 8, 4\)"),
        (np.zeros((2, 8, 8, 3), np.uint8), r"the array has the shape \(2, 8, 8, 3\)"),
        (np.zeros((0, 8, 3), np.uint8), r"the array has the shape \(0, 8, 3\)"),
        (np.zeros(5, np.uint8), r"the array has the shape \(5,\)"),
        (Image.new("I;16", (4, 4)), "the image has the mode I;16 of more than 8 bits"),
        (Image.new("F", (4, 4)), "the image has the mode F of more than 8 bits"),
    ],
)
def test_pixels_of_another_form_are_refused_with_the_right_one(array: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        file_bytes(array)


@pytest.mark.parametrize("picture", [None, 5, ["photo.jpg"], io.StringIO("text")])
def test_what_is_no_picture_is_refused_with_the_forms_that_are(picture: Any) -> None:
    with pytest.raises(TypeError, match=r"the picture is .*; give a path, the bytes of an image file"):
        file_bytes(picture)


def test_an_open_file_is_read_from_its_position(tmp_path: Path) -> None:
    path = tmp_path / "two"
    path.write_bytes(b"onetwo")
    with path.open("rb") as file:
        file.seek(3)
        assert file_bytes(file) == b"two"
