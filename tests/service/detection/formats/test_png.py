"""PNG: all layouts beside samples of our own, and chunks that make no pixels."""

import struct
import zlib

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from service.detection.decode import decode_image
from service.detection.image_header import read_header
from service.errors import ImageError
from tests.service.detection.formats.png_file import SIGNATURE, chunk, png_file
from tests.service.image_files import encode, smooth

LAYOUTS = [(0, 1), (0, 2), (0, 4), (0, 8), (0, 16), (2, 8), (2, 16), (3, 1), (3, 2), (3, 4), (3, 8)]
ALPHA_LAYOUTS = [(4, 8), (4, 16), (6, 8), (6, 16)]


def decoded(body: bytes) -> NDArray[np.uint8]:
    return decode_image(body, max_pixels=10**6).pixels


def to_8_bits(samples: NDArray[np.int64], depth: int) -> NDArray[np.int64]:
    return samples >> 8 if depth == 16 else samples * 255 // (2**depth - 1)


def blended(rgb: NDArray[np.int64], alpha: NDArray[np.int64]) -> NDArray[np.int64]:
    return (rgb * alpha[..., None] + 255 * (255 - alpha[..., None]) + 127) // 255


@pytest.mark.parametrize("size", [(5, 7), (1, 1), (9, 3), (2, 17)])
@pytest.mark.parametrize("interlace", [False, True])
@pytest.mark.parametrize("is_transparent", [False, True])
@pytest.mark.parametrize(("colour", "depth"), LAYOUTS)
def test_layouts_without_alpha(
    colour: int, depth: int, is_transparent: bool, interlace: bool, size: tuple[int, int]
) -> None:
    random = np.random.default_rng(depth)
    samples = random.integers(0, 2**depth, (*size, 3 if colour == 2 else 1))
    extra, alpha = [], np.full(size, 255)
    if colour == 3:
        palette = random.integers(0, 256, (2**depth, 3))
        extra.append(chunk(b"PLTE", palette.astype(np.uint8).tobytes()))
        wanted = palette[samples[..., 0]]
        if is_transparent:
            table = random.integers(0, 256, 2 ** (depth - 1))  # the entries beyond it are opaque
            extra.append(chunk(b"tRNS", table.astype(np.uint8).tobytes()))
            alpha = np.append(table, np.full(2**depth, 255))[samples[..., 0]]
    else:
        wanted = np.broadcast_to(to_8_bits(samples, depth), (*size, 3))
        if is_transparent:
            key = samples[size[0] // 2, size[1] // 2]
            extra.append(chunk(b"tRNS", key.astype(">u2").tobytes()))
            alpha = np.where((samples == key).all(axis=2), 0, 255)
    got = decoded(png_file(samples, depth, colour, interlace=interlace, extra=extra))
    assert (got == blended(wanted, alpha)).all()


@pytest.mark.parametrize("interlace", [False, True])
@pytest.mark.parametrize(("colour", "depth"), ALPHA_LAYOUTS)
def test_layouts_with_alpha(colour: int, depth: int, interlace: bool) -> None:
    samples = np.random.default_rng(depth).integers(0, 2**depth, (5, 7, 4 if colour == 6 else 2))
    wanted = to_8_bits(samples, depth)
    got = decoded(png_file(samples, depth, colour, interlace=interlace))
    assert (got == blended(np.broadcast_to(wanted[..., :-1], (5, 7, 3)), wanted[..., -1])).all()


def test_a_colour_beyond_the_palette_is_black() -> None:
    body = png_file(np.array([[[0], [3]]]), 8, 3, extra=[chunk(b"PLTE", b"\x09\x08\x07")])
    assert decoded(body)[0].tolist() == [[9, 8, 7], [0, 0, 0]]


def with_chunks(*chunks: bytes) -> bytes:
    body = encode(Image.fromarray(smooth()), "PNG")
    return body[:33] + b"".join(chunks) + body[33:]


@pytest.mark.parametrize(
    "extra",
    [
        chunk(b"zTXt", b"key\0\0" + zlib.compress(bytes(5_000_000))),
        chunk(b"iTXt", b"key\0\1\0\0\0" + zlib.compress(bytes(5_000_000))),
        chunk(b"tEXt", b"key\0value")[:-4] + b"\0\0\0\0",  # a wrong CRC
        chunk(b"tRNS", bytes(6))[:-4] + b"\0\0\0\0",
        chunk(b"iCCP", b"not a profile"),
        chunk(b"gAMA", struct.pack(">I", 1)),
        chunk(b"acTL", b"") + chunk(b"fcTL", b"") + chunk(b"fdAT", b""),
        chunk(b"pHYs", b"") * 5000,
    ],
    ids=["zTXt", "iTXt", "CRC of tEXt", "CRC of tRNS", "iCCP", "gAMA", "APNG", "5000 chunks"],
)
def test_metadata_are_skipped(extra: bytes) -> None:
    assert (decoded(with_chunks(extra)) == smooth()).all()


def test_too_many_chunks_are_refused() -> None:
    with pytest.raises(ImageError, match="more than 10000 chunks"):
        read_header(with_chunks(chunk(b"pHYs", b"") * 10_001))


def test_pixels_in_one_chunk_for_each_byte_are_joined() -> None:
    body = encode(Image.fromarray(smooth(8, 8)), "PNG")
    at = body.index(b"IDAT")
    data = body[at + 4 : at + 4 + int.from_bytes(body[at - 4 : at], "big")]
    parts = b"".join(chunk(b"IDAT", data[i : i + 1]) for i in range(len(data)))
    assert (decoded(body[:33] + parts + body[-12:]) == smooth(8, 8)).all()


@pytest.mark.parametrize("interlace", [False, True])
@pytest.mark.parametrize("num_rows", [0, 1, 24, 47])
@pytest.mark.parametrize("value", [0, 200])
def test_missing_rows_are_a_422(value: int, num_rows: int, interlace: bool) -> None:
    samples = np.full((48, 64, 3), value)
    whole = png_file(samples, 8, 2, interlace=interlace)
    decoded(whole)
    at = whole.index(b"IDAT")
    rows = zlib.decompress(whole[at + 4 : -16])
    short = zlib.compress(rows[: len(rows) * num_rows // 48])
    with pytest.raises(ImageError, match="short") as caught:
        decoded(whole[: at - 4] + chunk(b"IDAT", short) + whole[-12:])
    assert caught.value.status == 422


def test_a_file_without_its_end_chunk_is_decoded() -> None:
    assert (decoded(encode(Image.fromarray(smooth()), "PNG")[:-12]) == smooth()).all()


@pytest.mark.parametrize("header", [(8, 5), (3, 0), (16, 3), (8, 3)], ids=["colour", "depth", "both", "no palette"])
def test_no_message_holds_an_object_of_python(header: tuple[int, int]) -> None:
    body = SIGNATURE + chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, *header, 0, 0, 0)) + chunk(b"IDAT", b"\0\0\0\0")
    with pytest.raises(ImageError) as caught:
        decoded(body)
    assert "object at" not in str(caught.value)
    assert "<" not in str(caught.value)


def test_work_grows_with_the_bytes_of_a_pixel() -> None:
    weights = [
        read_header(png_file(np.zeros((2, 2, channels), np.int64), depth, colour)).weight
        for depth, colour, channels in [(1, 0, 1), (8, 0, 1), (8, 2, 3), (8, 6, 4), (16, 2, 3), (16, 6, 4)]
    ]
    assert weights == sorted(set(weights))
    assert weights[2] == pytest.approx(0.5 + 2.2 * 3 + 20 / 2)
    assert read_header(png_file(np.zeros((2, 2, 3), np.int64), 8, 2, interlace=True)).weight > 2 * weights[2]


def test_rows_take_work_even_if_they_are_short() -> None:
    tall = png_file(np.ones((6000, 1, 1), np.int64), 1, 3, extra=[chunk(b"PLTE", bytes(6))])
    wide = png_file(np.ones((1, 6000, 1), np.int64), 1, 3, extra=[chunk(b"PLTE", bytes(6))])
    assert read_header(tall).work > 20 * read_header(wide).work
    with pytest.raises(ImageError, match="takes as long to decode") as caught:
        decode_image(tall, max_pixels=6000)
    assert caught.value.status == 413
    assert decode_image(wide, max_pixels=6000).pixels.shape == (1, 6000, 3)
