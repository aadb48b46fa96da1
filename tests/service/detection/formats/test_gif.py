"""GIF: the place of the first frame on its screen, transparency, and blocks before the frame."""

import numpy as np
import pytest
from numpy.typing import NDArray

from service.detection.decode import decode_image
from service.detection.image_header import read_header
from service.errors import ImageError
from tests.service.detection.formats.gif_file import LOCAL_PALETTE, PALETTE, gif_file

INDICES = np.random.default_rng(0).integers(0, 16, (7, 9))


def decoded(body: bytes) -> NDArray[np.uint8]:
    return decode_image(body, max_pixels=10**6).pixels


@pytest.mark.parametrize(
    ("screen", "offset", "size"),
    [
        ((7, 9), (0, 0), (7, 9)),
        ((3, 4), (0, 0), (7, 9)),
        ((0, 0), (0, 0), (7, 9)),
        ((20, 30), (2, 5), (20, 30)),
        ((10, 20), (8, 18), (15, 27)),
        ((3, 40), (1, 2), (8, 40)),
    ],
    ids=["equal", "larger frame", "no screen", "smaller frame", "frame across the edge", "taller frame"],
)
@pytest.mark.parametrize("transparent", [None, 3])
@pytest.mark.parametrize("is_local", [False, True])
@pytest.mark.parametrize("interlace", [False, True])
def test_the_first_frame_stands_on_a_white_screen(
    screen: tuple[int, int],
    offset: tuple[int, int],
    size: tuple[int, int],
    transparent: int | None,
    is_local: bool,
    interlace: bool,
) -> None:
    body = gif_file(
        INDICES, screen=screen, offset=offset, transparent=transparent, is_local=is_local, interlace=interlace
    )
    wanted = np.full((*size, 3), 255)
    frame = (LOCAL_PALETTE if is_local else PALETTE)[INDICES]
    frame[transparent == INDICES] = 255
    wanted[offset[0] : offset[0] + 7, offset[1] : offset[1] + 9] = frame
    header, got = read_header(body), decode_image(body, max_pixels=10**6)
    assert (header.height, header.width) == (got.height, got.width) == size
    assert (got.pixels == wanted).all()


@pytest.mark.parametrize("interlace", [False, True])
@pytest.mark.parametrize("num_rows", [0, 1, 3, 6])
def test_missing_rows_are_a_422(num_rows: int, interlace: bool) -> None:
    with pytest.raises(ImageError, match="short") as caught:
        decoded(gif_file(INDICES, num_rows=num_rows, interlace=interlace))
    assert caught.value.status == 422


@pytest.mark.parametrize(
    "extensions",
    [
        b"!\xfe" + b"\x01a" * 9000 + b"\0",
        b"!\xfe\0" * 5000,
        b"\0" * 5000,
        b"!\xff\x0bNETSCAPE2.0\x03\x01\0\0\0",
        b"!\xff\x0bXMP DataXMP" + b"<x/>" + bytes([1, *range(255, -1, -1)]) + b"\0",
        b"!\xf9\x02\x01\x00\0",
    ],
    ids=["comment", "empty comments", "stray bytes", "loop", "XMP", "short control"],
)
def test_blocks_before_the_frame_are_skipped(extensions: bytes) -> None:
    assert (decoded(gif_file(INDICES, extensions=extensions)) == PALETTE[INDICES]).all()


def test_too_many_blocks_are_refused() -> None:
    with pytest.raises(ImageError, match="more than 20000 blocks"):
        read_header(gif_file(INDICES, extensions=b"!\xfe" + b"\x01a" * 20_000 + b"\0"))


def test_a_file_without_a_frame_is_a_422() -> None:
    body = gif_file(INDICES)
    with pytest.raises(ImageError, match="no frame"):
        read_header(body[: 13 + 48] + b";")


def test_a_file_without_its_trailer_is_decoded() -> None:
    assert (decoded(gif_file(INDICES)[:-1]) == PALETTE[INDICES]).all()
