"""BMP: all versions of the header and all layouts beside values of our own."""

import struct
import tracemalloc

import numpy as np
import pytest
from numpy.typing import NDArray

from service.detection.decode import decode_image
from service.detection.image_header import read_header
from service.errors import ImageError
from tests.service.detection.formats.bmp_file import CORE, INFO, OS2_V2, bmp_file

HEADERS = [CORE, 16, INFO, 52, 56, OS2_V2, 108, 124]
RGB555, RGB565, RGB444 = (0x7C00, 0x3E0, 0x1F), (0xF800, 0x7E0, 0x1F), (0xF00, 0xF0, 0xF)
RGB888, BGR888, RGB101010 = (0xFF0000, 0xFF00, 0xFF), (0xFF, 0xFF00, 0xFF0000), (0x3FF00000, 0xFFC00, 0x3FF)


def decoded(body: bytes) -> NDArray[np.uint8]:
    return decode_image(body, max_pixels=10**6).pixels


def channel(values: NDArray[np.int64], mask: int) -> NDArray[np.int64]:
    """The masked bits of each value as 0…255."""
    shift = next(bit for bit in range(32) if mask >> bit & 1)
    largest = mask >> shift
    got = (values & mask) >> shift
    return got >> (largest.bit_length() - 8) if largest > 255 else (got * 510 + largest) // (2 * largest)


def channels(values: NDArray[np.int64], masks: tuple[int, ...]) -> NDArray[np.int64]:
    return np.stack([channel(values, mask) for mask in masks], axis=2)


@pytest.mark.parametrize("size", [(5, 7), (1, 1), (4, 33)])
@pytest.mark.parametrize("is_top_down", [False, True])
@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16, 24, 32])
@pytest.mark.parametrize("header", HEADERS)
def test_layouts_without_compression(header: int, bits: int, is_top_down: bool, size: tuple[int, int]) -> None:
    random = np.random.default_rng(bits)
    palette = random.integers(0, 256, (2**bits, 3)) if bits <= 8 else None
    values = random.integers(0, 256 if bits == 24 else 2**bits, (*size, 3) if bits == 24 else size)
    if palette is not None:
        wanted = palette[values]
    elif bits == 24:
        wanted = values[..., ::-1]
    else:
        wanted = channels(values, RGB555 if bits == 16 else RGB888)
    body = bmp_file(
        values, bits, header=header, palette=palette, is_top_down=is_top_down and header != CORE, gap=2 * (bits % 3)
    )
    assert (decoded(body) == wanted).all()


@pytest.mark.parametrize(("header", "compression"), [(INFO, 3), (52, 3), (56, 3), (108, 3), (124, 3), (INFO, 6)])
@pytest.mark.parametrize(
    ("bits", "masks"),
    [(16, RGB565), (16, RGB555), (16, RGB444), (32, RGB888), (32, BGR888), (32, RGB101010)],
    ids=["565", "555", "444", "888", "bgr", "101010"],
)
def test_bit_fields(header: int, compression: int, bits: int, masks: tuple[int, ...]) -> None:
    values = np.random.default_rng(bits).integers(0, 2**bits, (6, 5))
    if compression == 6 or header >= 56:
        masks = (*masks, 0)
    body = bmp_file(values, bits, header=header, compression=compression, masks=masks)
    assert (decoded(body) == channels(values, masks[:3])).all()


@pytest.mark.parametrize(("header", "compression"), [(56, 3), (108, 3), (124, 3), (INFO, 6)])
@pytest.mark.parametrize(
    ("bits", "masks"), [(32, (*RGB888, 0xFF000000)), (16, (*RGB555, 0x8000)), (32, (*RGB101010, 0xC0000000))]
)
def test_alpha_is_blended_with_white_unless_it_is_0_everywhere(
    header: int, compression: int, bits: int, masks: tuple[int, ...]
) -> None:
    values = np.random.default_rng(bits).integers(0, 2**bits, (6, 5))
    rgb, alpha = channels(values, masks[:3]), channel(values, masks[3])[..., None]
    for stored, wanted in (
        (values, (rgb * alpha + 255 * (255 - alpha) + 127) // 255),
        (values & ~masks[3], rgb),
    ):
        assert (decoded(bmp_file(stored, bits, header=header, compression=compression, masks=masks)) == wanted).all()


def test_the_fourth_byte_without_a_mask_is_no_alpha() -> None:
    values = np.array([[0x80FF0000, 0x0000FF00]])
    assert decoded(bmp_file(values, 32, header=124))[0].tolist() == [[255, 0, 0], [0, 255, 0]]
    assert decoded(bmp_file(values, 32, compression=3, masks=RGB888))[0].tolist() == [[255, 0, 0], [0, 255, 0]]


PALETTE = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [9, 9, 9]])
RUNS = {
    8: b"\x03\x01\x00\x00" + b"\x00\x03\x01\x02\x03\x00\x00\x00" + b"\x01\x02\x02\x03\x00\x01",
    4: b"\x03\x11\x00\x00" + b"\x00\x03\x12\x30\x00\x00" + b"\x01\x20\x02\x33\x00\x01",
}


@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize("is_top_down", [False, True])
@pytest.mark.parametrize("header", [INFO, OS2_V2, 108, 124])
def test_run_lengths(header: int, is_top_down: bool, bits: int) -> None:
    values = np.array([[1, 1, 1], [1, 2, 3], [2, 3, 3]])
    body = bmp_file(
        values,
        bits,
        header=header,
        palette=PALETTE,
        compression=1 if bits == 8 else 2,
        runs=RUNS[bits],
        is_top_down=is_top_down,
    )
    assert (decoded(body) == PALETTE[values if is_top_down else values[::-1]]).all()


@pytest.mark.parametrize("start", [0, 13, 20, 54])
def test_a_start_of_the_pixels_within_the_headers_is_mended(start: int) -> None:
    body = bytearray(bmp_file(np.array([[0, 1], [2, 3]]), 8, palette=np.vstack([PALETTE] * 64)))
    body[10:14] = struct.pack("<I", start)
    assert (decoded(bytes(body)) == PALETTE.reshape(2, 2, 3)).all()


def test_a_colour_beyond_the_palette_is_black() -> None:
    body = bmp_file(np.array([[0, 3, 200]]), 8, palette=PALETTE[:1])
    assert decoded(body)[0].tolist() == [[255, 0, 0], [0, 0, 0], [0, 0, 0]]


@pytest.mark.parametrize("cut", [1, 40, 100])
@pytest.mark.parametrize("bits", [8, 24])
def test_missing_pixels_are_a_422(bits: int, cut: int) -> None:
    values = np.ones((9, 12, 3) if bits == 24 else (9, 12), np.int64)
    with pytest.raises(ImageError, match="cut short") as caught:
        decoded(bmp_file(values, bits, palette=PALETTE if bits == 8 else None)[:-cut])
    assert caught.value.status == 422


def test_runs_that_are_cut_short_are_a_422() -> None:
    with pytest.raises(ImageError, match="cut short"):
        decoded(bmp_file(np.ones((3, 3), np.int64), 8, palette=PALETTE, compression=1, runs=RUNS[8][:6]))


@pytest.mark.parametrize(("bits", "compression"), [(24, 5), (24, 4), (3, 0), (24, 1), (8, 3), (64, 0)])
def test_unknown_layouts_are_named(bits: int, compression: int) -> None:
    body = bytearray(bmp_file(np.ones((3, 3, 3), np.int64), 24))
    body[28], body[30] = bits, compression
    with pytest.raises(ImageError, match=r"compression|bits") as caught:
        decoded(bytes(body))
    assert caught.value.status == 422


def test_work_is_that_of_the_layout() -> None:
    values = np.ones((2, 2), np.int64)
    plain = read_header(bmp_file(values, 8, palette=PALETTE)).weight
    masked = read_header(bmp_file(values, 32)).weight
    assert 1 == plain < masked < read_header(bmp_file(values, 32, compression=6, masks=(1, 2, 4, 8))).weight


def test_the_padding_of_narrow_rows_takes_no_memory() -> None:
    body = bmp_file(np.ones((100_000, 1), np.int64), 1, palette=PALETTE[:2])
    tracemalloc.start()
    try:
        assert (decoded(body) == PALETTE[1]).all()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 * len(body)
