"""WebP: the canvas of an animation, its first frame, metadata, and floods of chunks."""

import struct

import numpy as np
import pytest
from PIL import Image

from service.detection.decode import decode_image
from service.detection.image_header import read_header
from service.errors import ImageError
from tests.service.image_files import encode, smooth

LOSSY = encode(Image.fromarray(smooth()), "WEBP", quality=95)
LOSSLESS = encode(Image.fromarray(smooth()), "WEBP", lossless=True)
ALPHA = encode(Image.new("RGBA", (64, 48), (0, 0, 0, 128)), "WEBP")
SMALL = encode(Image.new("RGB", (8, 6), (200, 30, 40)), "WEBP", lossless=True)[12:]
EXIF = 0x08


def chunk(name: bytes, data: bytes) -> bytes:
    return name + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)


def extended(*chunks: bytes, flags: int = 0, size: tuple[int, int] = (48, 64)) -> bytes:
    canvas = b"".join((side - 1).to_bytes(3, "little") for side in reversed(size))
    body = b"WEBP" + chunk(b"VP8X", bytes([flags, 0, 0, 0]) + canvas) + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def animation(num_frames: int, *more: bytes, flags: int = 0) -> bytes:
    """Frames of 6×8 pixels at x 4, y 2 on a canvas of 16×20."""
    place = b"".join(number.to_bytes(3, "little") for number in (2, 1, 7, 5, 100)) + b"\0"
    control = chunk(b"ANIM", b"\xff\xff\xff\xff\0\0")
    return extended(control, chunk(b"ANMF", place + SMALL) * num_frames, *more, flags=0x12 | flags, size=(16, 20))


def orientation(value: int) -> bytes:
    tags = Image.Exif()
    tags[0x0112] = value
    return chunk(b"EXIF", tags.tobytes())


@pytest.mark.parametrize("num_frames", [1, 3, 1000])
def test_the_first_frame_stands_on_the_canvas(num_frames: int) -> None:
    body = animation(num_frames)
    got = decode_image(body, max_pixels=10**6).pixels
    wanted = np.full((16, 20, 3), 255)
    wanted[2:8, 4:12] = (200, 30, 40)
    assert (got == wanted).all()
    assert read_header(body).upright_size == (16, 20)


def test_the_orientation_behind_the_frames_is_read() -> None:
    body = animation(50, orientation(6), flags=EXIF)
    assert read_header(body).orientation == 6
    assert decode_image(body, max_pixels=10**6).pixels.shape == (20, 16, 3)


@pytest.mark.parametrize(
    "exif", [b"", b"II*\0\xff\xff\xff\xff", b"II*\0\x08\0\0\0\xff\xff", b"x"], ids=["none", "offset", "count", "magic"]
)
def test_damaged_exif_is_ignored(exif: bytes) -> None:
    assert decode_image(extended(LOSSY[12:], chunk(b"EXIF", exif), flags=EXIF), max_pixels=10**6).pixels.shape[0] == 48


@pytest.mark.parametrize("still", [LOSSY, LOSSLESS], ids=["lossy", "lossless"])
def test_chunks_behind_the_pixels_and_metadata_are_skipped(still: bytes) -> None:
    wanted = decode_image(still, max_pixels=10**6).pixels
    profile = chunk(b"ICCP", b"not a profile")
    body = extended(profile, still[12:], chunk(b"JUNK", b"") * 100_000, flags=0x20)
    for file in (body, still + b"x" * 1000):
        assert (decode_image(file, max_pixels=10**6).pixels == wanted).all()


def test_too_many_chunks_are_refused() -> None:
    with pytest.raises(ImageError, match="more than 5000 chunks"):
        read_header(extended(chunk(b"JUNK", b"") * 5001, LOSSY[12:]))


def test_a_canvas_of_another_size_than_the_still_image_is_a_422() -> None:
    with pytest.raises(ImageError, match="broken") as caught:
        decode_image(extended(LOSSY[12:], size=(50, 50)), max_pixels=10**6)
    assert caught.value.status == 422


@pytest.mark.parametrize("still", [LOSSY, LOSSLESS, ALPHA], ids=["lossy", "lossless", "alpha"])
def test_half_the_data_is_a_422_even_if_the_lengths_fit(still: bytes) -> None:
    half = bytearray(still[: len(still) // 2])
    half[4:8] = struct.pack("<I", len(half) - 8)
    if half[12:16] != b"VP8X":
        half[16:20] = struct.pack("<I", len(half) - 20)
    with pytest.raises(ImageError) as caught:
        decode_image(bytes(half), max_pixels=10**6)
    assert caught.value.status == 422


def test_work_is_that_of_the_first_frame() -> None:
    assert read_header(LOSSY).weight < read_header(LOSSLESS).weight == read_header(animation(1)).weight
    assert read_header(ALPHA).weight > read_header(LOSSY).weight
    assert read_header(extended(LOSSY[12:])).weight == read_header(LOSSY).weight
