"""Decoding each image format."""

import struct
from dataclasses import replace
from typing import Literal

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from service.bundle import InputSpec
from service.detection.decode import check_limits, decode_image
from service.detection.fit import fit
from service.detection.image_header import ImageHeader, read_header
from service.errors import ImageError
from tests.service.image_files import encode, png_header, smooth

STRETCH = InputSpec(height=320, width=320, resize="stretch")
LETTERBOX = InputSpec(height=320, width=320, resize="letterbox")
LIMIT = 1_000_000
Format = Literal["JPEG", "PNG", "WEBP", "BMP", "GIF"]


def decoded(body: bytes) -> NDArray[np.uint8]:
    return decode_image(body, max_pixels=LIMIT).pixels


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP"])
def test_every_format_gives_the_same_image(kind: Format) -> None:
    got = decode_image(encode(Image.fromarray(smooth()), kind, quality=95), max_pixels=LIMIT)
    assert (got.height, got.width) == (48, 64)
    assert np.abs(got.pixels.astype(int) - smooth()).max() <= (0 if kind in ("PNG", "BMP") else 12)


@pytest.mark.parametrize("kind", ["GIF", "WEBP"])
def test_the_first_frame_of_an_animation_is_decoded(kind: Format) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    body = encode(frames[0], kind, save_all=True, append_images=frames[1:])
    assert (np.abs(decoded(body).astype(int) - (255, 0, 0)) <= 3).all()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP"])
def test_a_1_by_1_image_is_a_normal_case(kind: Format) -> None:
    got = decode_image(encode(Image.new("RGB", (1, 1), "white"), kind), target=STRETCH, max_pixels=LIMIT)
    assert got.pixels.shape == (1, 1, 3)
    assert (fit(got.pixels, STRETCH) == got.pixels[0, 0]).all()


def test_grey_becomes_rgb() -> None:
    grey = Image.fromarray(smooth()[..., 0])
    for body in (encode(grey, "PNG"), encode(grey, "JPEG"), encode(grey, "BMP")):
        pixels = decoded(body)
        assert pixels.shape == (48, 64, 3)
        assert np.abs(pixels.astype(int) - smooth()[..., :1]).max() <= 4


def test_cmyk_jpeg_keeps_its_colours() -> None:
    body = encode(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG")
    assert np.abs(decoded(body).astype(int) - (255, 0, 0)).max() <= 4


def test_16_bit_grey_keeps_its_brightness() -> None:
    wide = smooth()[..., 0].astype(np.uint16) * 257
    assert (decoded(encode(Image.fromarray(wide), "PNG")) == smooth()[..., :1]).all()


def test_1_bit_becomes_black_and_white() -> None:
    black = np.array([[True, False]])
    assert decoded(encode(Image.fromarray(black), "PNG"))[0, :, 0].tolist() == [255, 0]


def test_a_palette_becomes_its_colours() -> None:
    body = encode(Image.new("RGB", (4, 4), (10, 200, 30)).convert("P", palette=Image.Palette.ADAPTIVE), "PNG")
    assert (decoded(body) == (10, 200, 30)).all()


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_transparent_pixels_are_blended_with_white(kind: Format) -> None:
    rgba = np.zeros((2, 3, 4), np.uint8)
    rgba[:, :, 3] = [255, 0, 128]
    body = encode(Image.fromarray(rgba), kind, lossless=True, exact=True)
    assert decoded(body)[0, :, 0].tolist() == [0, 255, 127]


def test_a_transparent_palette_is_blended_with_white() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([9, 8, 7, 1, 2, 3])
    image.putdata([0, 1])
    assert decoded(encode(image, "PNG", transparency=0))[0].tolist() == [[255, 255, 255], [1, 2, 3]]


# EXIF 2.32, 4.6.4 A: how the stored picture comes from the upright one
STORED = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: a.transpose(1, 0, 2)[::-1],
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: a.transpose(1, 0, 2)[:, ::-1],
}


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", STORED)
def test_exif_orientation_is_honoured(kind: Format, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    body = encode(Image.fromarray(np.ascontiguousarray(STORED[orientation](smooth()))), kind, exif=exif, quality=95)
    got = decode_image(body, max_pixels=LIMIT)
    assert (got.height, got.width) == (48, 64)
    assert np.abs(got.pixels.astype(int) - smooth()).max() <= 12


@pytest.mark.parametrize("exif", [b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0MM\0*\0\0\0\x08\0\x09"])
def test_damaged_exif_is_ignored(exif: bytes) -> None:
    assert decode_image(encode(Image.fromarray(smooth()), "JPEG", exif=exif), max_pixels=LIMIT).pixels.shape == (
        48,
        64,
        3,
    )


@pytest.mark.parametrize(("factor", "shape"), [(1, (320, 400)), (2, (320, 400)), (4, (320, 400)), (3, (480, 600))])
def test_a_large_jpeg_is_decoded_at_reduced_scale(factor: int, shape: tuple[int, int]) -> None:
    body = encode(Image.fromarray(smooth(320 * factor, 400 * factor)), "JPEG")
    got = decode_image(body, target=STRETCH, max_pixels=10_000_000)
    assert got.pixels.shape == (*shape, 3)
    assert (got.height, got.width) == (320 * factor, 400 * factor)


def test_a_reduced_jpeg_gives_the_pixels_of_the_whole_one() -> None:
    body = encode(Image.fromarray(smooth(1300, 1700)), "JPEG", quality=95)
    whole = fit(decode_image(body, max_pixels=10_000_000).pixels, STRETCH)
    reduced = fit(decode_image(body, target=STRETCH, max_pixels=10_000_000).pixels, STRETCH)
    assert np.abs(whole.astype(int) - reduced).max() <= 3


def test_a_turned_jpeg_is_reduced_by_its_upright_sides() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    body = encode(Image.fromarray(smooth(320, 1280)), "JPEG", exif=exif)
    wide = InputSpec(height=640, width=160, resize="stretch")
    assert decode_image(body, target=wide, max_pixels=LIMIT).pixels.shape == (640, 160, 3)


@pytest.mark.parametrize("body", [b"hello", b"%PDF-1.7", b"\x00" * 100, b"II*\0" + b"\0" * 100])
def test_a_body_that_is_not_an_image_is_a_415(body: bytes) -> None:
    with pytest.raises(ImageError, match="JPEG, PNG, WebP, BMP or GIF") as caught:
        decoded(body)
    assert caught.value.status == 415


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "GIF"])
@pytest.mark.parametrize("part", [0.02, 0.3, 0.6, 0.95])
def test_a_truncated_image_is_a_422_that_says_so(kind: Format, part: float) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8)
    body = encode(Image.fromarray(noise), kind)
    with pytest.raises(ImageError, match=r"broken|short|truncated|ends|header") as caught:
        decoded(body[: int(len(body) * part) + 12])
    assert caught.value.status == 422


def test_a_jpeg_without_its_last_two_bytes_is_refused() -> None:
    with pytest.raises(ImageError, match="cut short"):
        decoded(encode(Image.fromarray(smooth()), "JPEG")[:-2])


def test_a_jpeg_with_stray_bytes_between_segments_is_accepted() -> None:
    body = encode(Image.fromarray(smooth()), "JPEG", quality=95)
    at = body.index(b"\xff\xdb")
    tables = body[at : at + 2 + int.from_bytes(body[at + 2 : at + 4], "big")]
    after_frame = body.index(b"\xff\xc4")
    stray = body[:after_frame] + b"\x12\x34" + body[after_frame:]
    assert tables in stray
    assert np.abs(decoded(stray).astype(int) - smooth()).max() <= 12
    with pytest.raises(ImageError):
        decoded(stray[: len(stray) - 200])


def test_a_20000_by_20000_header_is_refused_before_decoding() -> None:
    with pytest.raises(ImageError, match="20000×20000") as caught:
        decode_image(png_header(20_000, 20_000), max_pixels=50_000_000)
    assert caught.value.status == 413


def test_a_gif_frame_larger_than_its_screen_is_refused() -> None:
    body = bytearray(encode(Image.new("P", (2, 2)), "GIF"))
    frame = body.index(b"\x2c")
    body[frame + 5 : frame + 9] = struct.pack("<HH", 60_000, 60_000)
    with pytest.raises(ImageError) as caught:
        decoded(bytes(body))
    assert caught.value.status == 413


def with_scans(body: bytes, num_scans: int) -> bytes:
    """A JPEG file that repeats its last scan until it has `num_scans` more."""
    scan = body[body.rindex(b"\xff\xda") : -2]
    return body[:-2] + scan * num_scans + body[-2:]


def test_a_progressive_jpeg_with_hundreds_of_scans_is_refused() -> None:
    body = encode(Image.fromarray(smooth()), "JPEG", progressive=True)
    with pytest.raises(ImageError, match="more than 200 scans"):
        decoded(with_scans(body, 200))


def test_pixels_times_scans_are_bounded() -> None:
    body = with_scans(encode(Image.new("L", (1000, 1000)), "JPEG", progressive=True), 40)
    check_limits(read_header(body), 2 * LIMIT)
    with pytest.raises(ImageError, match=r"baseline JPEG; this server takes at most 12000000") as caught:
        decoded(body)
    assert caught.value.status == 413


def test_scans_behind_the_end_of_a_jpeg_do_not_count() -> None:
    body = encode(Image.fromarray(smooth()), "JPEG", progressive=True)
    assert (decoded(body + b"\xff\xda\x00\x02" * 1000) == decoded(body)).all()


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        ValueError("Insufficient memory (case 4)"),
        cv2.error("alloc.cpp:73: error: (-4:Insufficient memory) Failed to allocate 60000000 bytes"),
    ],
    ids=["Python and Pillow", "libjpeg", "OpenCV"],
)
def test_decoding_without_memory_is_a_503(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("simplejpeg.decode_jpeg", fail)
    with pytest.raises(ImageError, match="not enough memory") as caught:
        decoded(encode(Image.fromarray(smooth()), "JPEG"))
    assert caught.value.status == 503


def test_ordinary_images_of_cameras_and_the_web_are_within_the_limits() -> None:
    limit = 50_000_000
    check_limits(ImageHeader("jpeg", 7000, 7100), limit)
    progressive = read_header(encode(Image.fromarray(smooth()), "JPEG", progressive=True))
    check_limits(replace(progressive, height=4000, width=6000), limit)
    for colour in ("L", "RGB", "RGBA"):
        png = read_header(encode(Image.fromarray(smooth()).convert(colour), "PNG"))
        check_limits(replace(png, height=7000, width=7000), limit)


@settings(max_examples=300, deadline=None)
@given(kind=st.sampled_from(["JPEG", "PNG", "WEBP", "BMP", "GIF"]), data=st.data())
def test_a_mutated_image_is_decoded_or_refused(kind: Format, data: st.DataObject) -> None:
    body = bytearray(encode(Image.fromarray(smooth(12, 16)), kind))
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    try:
        got = decode_image(bytes(body), target=STRETCH, max_pixels=LIMIT)
    except ImageError:
        return
    assert got.pixels.dtype == np.uint8
    assert fit(got.pixels, STRETCH).shape == (320, 320, 3)
