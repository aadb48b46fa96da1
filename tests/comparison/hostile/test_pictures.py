"""The hostile pictures are what they should be."""

import io
import struct

import numpy as np
import pytest
from PIL import Image

from comparison.hostile import pictures


def test_the_wide_png_is_a_valid_picture() -> None:
    with Image.open(io.BytesIO(pictures.wide_png())) as image:
        assert np.asarray(image).shape == (1, 60_000)


@pytest.mark.parametrize("side", [1, 5, 16])
def test_the_interlaced_png_is_a_valid_picture(side: int) -> None:
    file = pictures.interlaced_png(side)
    assert struct.unpack_from(">IIBBBBB", file, 16) == (side, side, 16, 6, 0, 0, 1)
    with Image.open(io.BytesIO(file)) as image:
        pixels = np.asarray(image.convert("RGBA"))
    assert (pixels == (0x12, 0x56, 0x9A, 0x80)).all()


def test_large_texts_do_not_change_the_picture() -> None:
    file = pictures.png_with_large_texts(2)
    assert file.count(b"zTXt") == 2
    assert pictures.png(8, 8, bytes(8 * 9)) == file[:33] + file[file.index(b"IDAT") - 4 :]
