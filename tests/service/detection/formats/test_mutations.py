"""Files with dropped, repeated, moved and cut parts and wrong numbers: an image of the header's size, or a refusal."""

import re
import struct
import zlib
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from service.bundle import InputSpec
from service.detection.decode import MAX_WORK_PER_PIXEL, decode_image
from service.detection.formats import bmp, gif, jpeg, png, webp
from service.detection.image_header import read_header
from service.errors import ImageError
from tests.service.detection.formats.bmp_file import bmp_file
from tests.service.detection.formats.gif_file import gif_file
from tests.service.image_files import encode, smooth

MAX_PIXELS = 20_000
SPEC = InputSpec(height=16, width=16, resize="stretch")
IMAGE = Image.fromarray(smooth(24, 32))
INDICES = np.random.default_rng(0).integers(0, 16, (12, 16))
PALETTE = np.random.default_rng(1).integers(0, 256, (16, 3))
FILES = {
    "jpeg": encode(IMAGE, "JPEG"),
    "progressive jpeg": encode(IMAGE, "JPEG", progressive=True),
    "cmyk jpeg": encode(IMAGE.convert("CMYK"), "JPEG"),
    "png": encode(IMAGE, "PNG"),
    "palette png": encode(IMAGE.quantize(16), "PNG", transparency=3),
    "webp": encode(IMAGE, "WEBP"),
    "animated webp": encode(IMAGE, "WEBP", save_all=True, append_images=[IMAGE.rotate(90)], lossless=True),
    "bmp": encode(IMAGE, "BMP"),
    "palette bmp": bmp_file(INDICES, 4, palette=PALETTE),
    "masked bmp": bmp_file(INDICES * 9999, 32, header=108, compression=3, masks=(0xFF0000, 0xFF00, 0xFF, 0xFF << 24)),
    "runs bmp": bmp_file(INDICES[:1, :3], 8, palette=PALETTE, compression=1, runs=b"\x02\x01\x01\x02\0\1"),
    "gif": gif_file(INDICES, transparent=3, screen=(20, 20)),
}


def jpeg_parts(body: bytes) -> list[bytes]:
    """The segments; coded data stay with the scan before them."""
    starts = [0, *(found.start() for found in re.finditer(rb"\xff[\xc0-\xcf\xd9-\xfe]", body)), len(body)]
    return [body[a:b] for a, b in pairwise(starts)]


def chunks(body: bytes, at: int, length: Callable[[bytes, int], int]) -> list[bytes]:
    parts = [body[:at]]
    while at < len(body):
        end = at + length(body, at)
        parts.append(body[at:end])
        at = end
    return parts


def parts_of(name: str) -> list[bytes]:
    """The parts of a file that its format knows; of a BMP and a GIF, runs of four bytes."""
    body = FILES[name]
    if "jpeg" in name:
        return jpeg_parts(body)
    if "png" in name:
        return chunks(body, 8, lambda b, at: 12 + int(struct.unpack_from(">I", b, at)[0]))
    if "webp" in name:
        return chunks(body, 12, lambda b, at: 8 + int(struct.unpack_from("<I", b, at + 4)[0] + 1 & ~1))
    return chunks(body, 10, lambda _, __: 4)


def mutated(data: st.DataObject, parts: list[bytes]) -> bytes:
    index = st.integers(0, len(parts) - 1)
    for _ in range(data.draw(st.integers(1, 3))):
        change = data.draw(st.sampled_from(["drop", "repeat", "move", "cut", "number", "insert"]))
        at = data.draw(index)
        part = parts[at]
        if change == "drop":
            parts = [*parts[:at], b"", *parts[at + 1 :]]
        elif change == "repeat":
            parts = [*parts[:at], part * data.draw(st.integers(2, 300)), *parts[at + 1 :]]
        elif change == "move":
            parts = [*parts[:at], b"", *parts[at + 1 :]]
            parts[data.draw(index)] += part
        elif change == "cut":
            parts = [*parts[:at], part[: data.draw(st.integers(0, len(part)))], *parts[at + 1 :]]
        elif change == "number" and part:
            position = data.draw(st.integers(0, min(40, len(part) - 1)))
            number = data.draw(st.sampled_from([b"\0", b"\xff", b"\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\1"]))
            parts = [*parts[:at], part[:position] + number + part[position + len(number) :], *parts[at + 1 :]]
        elif change == "insert":
            parts = [*parts[:at], part + data.draw(st.binary(max_size=20)), *parts[at + 1 :]]
    return b"".join(parts)


def with_right_sums(body: bytes) -> bytes:
    """A PNG whose chunks have the right CRC, so that their contents are read."""
    fixed, at = body[:8], 8
    while at + 12 <= len(body):
        (length,) = struct.unpack_from(">I", body, at)
        named = body[at + 4 : at + 8 + length]
        fixed += body[at : at + 4] + named + zlib.crc32(named).to_bytes(4, "big")
        at += 12 + length
    return fixed + body[at:]


@pytest.mark.parametrize("name", FILES)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_mutated_file_gives_the_size_of_its_header_or_is_refused(name: str, data: st.DataObject) -> None:
    body = mutated(data, parts_of(name))
    if "png" in name and data.draw(st.booleans()):
        body = with_right_sums(body)
    target = data.draw(st.sampled_from([None, SPEC]))
    refusal: ImageError | None = None
    try:
        header = read_header(body)
        got = decode_image(body, target=target, max_pixels=MAX_PIXELS)
    except ImageError as error:
        refusal = error
    if refusal is not None:
        assert refusal.status in (413, 415, 422)
        assert not re.search("object at|0x[0-9a-f]{5}|<", str(refusal))  # no object of Python
        return
    assert header.work <= MAX_WORK_PER_PIXEL * MAX_PIXELS
    assert (got.height, got.width) == header.upright_size
    if target is None:
        assert got.pixels.shape == (got.height, got.width, 3)
    assert got.pixels.dtype == np.uint8


@settings(max_examples=200, deadline=None)
@given(
    name=st.sampled_from(sorted(FILES)),
    size=st.tuples(st.integers(1, 65_535), st.integers(1, 65_535)),
    max_pixels=st.integers(1, 10**9),
)
def test_what_is_above_a_limit_is_refused_before_a_decoder_starts(
    name: str, size: tuple[int, int], max_pixels: int
) -> None:
    body = bytearray(FILES[name])
    big, little = struct.pack(">HH", *size), struct.pack("<HH", *size[::-1])
    if "jpeg" in name:
        at = re.search(rb"\xff[\xc0\xc2]", FILES[name]).start() + 5  # type: ignore[union-attr]
        body[at : at + 4] = big
    elif "png" in name:
        body[16:24] = struct.pack(">II", *size[::-1])
    elif "bmp" in name:
        body[18:26] = struct.pack("<II", *size[::-1])
    elif "gif" in name:
        body[6:10] = little
    else:
        return
    header = read_header(bytes(body))
    started = False

    def start(*_: object) -> None:
        nonlocal started
        started = True
        raise ImageError(422, "the decoder started")

    with pytest.MonkeyPatch.context() as patch:
        for module in (jpeg, png, webp, bmp, gif):
            patch.setattr(module, "decode", start)
        with pytest.raises(ImageError):
            decode_image(bytes(body), header=header, max_pixels=max_pixels)
    is_within = header.height * header.width <= max_pixels and header.work <= MAX_WORK_PER_PIXEL * max_pixels
    assert started == is_within
