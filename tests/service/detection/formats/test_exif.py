"""The orientation in EXIF data of both byte orders, and in damaged data."""

import struct

import pytest

from service.detection.formats.exif import orientation_of


def directory(order: str, *entries: tuple[int, int, int], count: int | None = None) -> bytes:
    """EXIF data whose directory has entries of (tag, field type, value)."""
    magic = b"II*\0" if order == "<" else b"MM\0*"
    data = magic + struct.pack(order + "IH", 8, len(entries) if count is None else count)
    for tag, field_type, value in entries:
        data += struct.pack(order + "HHIH", tag, field_type, 1, value) + b"\0\0"
    return data


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_is_read_in_both_byte_orders(order: str, orientation: int) -> None:
    assert orientation_of(directory(order, (0x010F, 2, 9), (0x0112, 3, orientation))) == orientation


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"II*\0",
        b"II*\0\xff\xff\xff\xff",
        b"MM\0*\0\0\0\x08\0\x09",
        b"MM*\0\x08\0\0\0\1\0",
        directory("<", (0x0112, 3, 0)),
        directory("<", (0x0112, 3, 9)),
        directory("<", (0x0112, 4, 6)),
        directory("<", (0x010F, 2, 6), count=65_535),
        directory("<", *[(0x010F, 2, 6)] * 1000, (0x0112, 3, 6)),
    ],
)
def test_damaged_data_mean_that_the_image_is_upright(data: bytes) -> None:
    assert orientation_of(data) == 1
