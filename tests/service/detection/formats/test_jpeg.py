"""JPEG: files about which libjpeg warns, files that are cut short, and floods of segments."""

import io
import struct

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from service.bundle import InputSpec
from service.detection.decode import decode_image
from service.detection.formats.jpeg_segments import SEARCHED_BYTES
from service.detection.image_header import read_header
from service.errors import ImageError
from tests.service.image_files import encode, smooth

BASELINE = encode(Image.fromarray(smooth()), "JPEG", quality=95)
PROGRESSIVE = encode(Image.fromarray(smooth()), "JPEG", quality=95, progressive=True)
CMYK = encode(Image.fromarray(smooth()).convert("CMYK"), "JPEG", quality=95)
START, END = b"\xff\xd8", b"\xff\xd9"
FRAME, TABLES, SCAN = BASELINE.index(b"\xff\xc0"), BASELINE.index(b"\xff\xc4"), BASELINE.index(b"\xff\xda")


def decoded(body: bytes) -> NDArray[np.uint8]:
    return decode_image(body, max_pixels=10**6).pixels


def is_smooth(pixels: NDArray[np.uint8]) -> bool:
    return pixels.shape == (48, 64, 3) and bool(np.abs(pixels.astype(int) - smooth()).max() <= 14)


def segment(marker: int, data: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data


def exif(orientation: int) -> bytes:
    tags = Image.Exif()
    tags[0x0112] = orientation
    return segment(0xE1, tags.tobytes())


def with_scan_parameters(body: bytes, parameters: bytes) -> bytes:
    at = body.index(b"\xff\xda") + 2 + struct.unpack_from(">H", body, body.index(b"\xff\xda") + 2)[0]
    return body[: at - 3] + parameters + body[at:]


def adobe(transform: int) -> bytes:
    return segment(0xEE, b"Adobe\0\x64\0\0\0\0" + bytes([transform]))


ODD_FILES = {
    "SOS with Se 0": with_scan_parameters(BASELINE, b"\0\0\0"),
    "SOS with Ah 1": with_scan_parameters(BASELINE, b"\0\x3f\x11"),
    "JFIF 2.01": BASELINE.replace(b"JFIF\0\x01\x01", b"JFIF\0\x02\x01"),
    "stray bytes before the tables": BASELINE[:20] + b"\x12\x34" + BASELINE[20:],
    "stray bytes before a scan": PROGRESSIVE.replace(b"\xff\xda", b"\1\2\xff\xda", 1),
    "stuffed bytes": BASELINE[:20] + b"\xff\0\x34" + BASELINE[20:],
    "fill bytes": BASELINE[:20] + b"\xff" * 9 + BASELINE[20:],
    "a bad profile": BASELINE[:20] + segment(0xE2, b"ICC_PROFILE\0\x05\x02ab") + BASELINE[20:],
    "an unknown transform of Adobe": START + adobe(9) + BASELINE[20:],
}


@pytest.mark.parametrize("name", ODD_FILES)
def test_a_harmless_warning_is_no_error(name: str) -> None:
    assert is_smooth(decoded(ODD_FILES[name]))


@pytest.mark.parametrize("name", ODD_FILES)
@pytest.mark.parametrize("end", [b"", END], ids=["no end", "end"])
def test_an_odd_file_that_is_cut_short_is_a_422(name: str, end: bytes) -> None:
    body = ODD_FILES[name]
    with pytest.raises(ImageError, match="short") as caught:
        decoded(body[: body.rindex(b"\xff\xda") + 100] + end)
    assert caught.value.status == 422


def test_an_odd_file_is_reduced_too() -> None:
    image = Image.fromarray(smooth(640, 960))
    large = encode(image, "JPEG").replace(b"JFIF\0\x01\x01", b"JFIF\0\x02\x01")
    damaged = encode(image, "JPEG", restart_marker_blocks=40).replace(b"\xff\xd3", b"\xff\xd6", 1)
    for body in (large, damaged):
        got = decode_image(body, target=InputSpec(height=320, width=320, resize="stretch"), max_pixels=10**6)
        assert got.pixels.shape == (320, 480, 3)
        assert (got.height, got.width) == (640, 960)


def test_damaged_pixels_are_shown_as_by_viewers() -> None:
    body = bytearray(BASELINE)
    body[-200:-190] = b"\x7f" * 10
    assert decoded(bytes(body)).shape == (48, 64, 3)


def test_a_large_damaged_file_is_not_decoded_twice() -> None:
    body = encode(Image.new("L", (5000, 5000)), "JPEG", progressive=True)
    scan = body[body.rindex(b"\xff\xda") : -2]
    body = body[:-2] + 25 * scan + END
    assert read_header(body).work > 200_000_000
    with pytest.raises(ImageError, match="broken") as caught:
        decode_image(body, max_pixels=50_000_000)
    assert "Inconsistent progression" in str(caught.value.__cause__)


@pytest.mark.parametrize(
    "trailer",
    [b"\xff\xda\0\2" * 1000, b"\xff\xda\xff\xd8" * 500_000, BASELINE, PROGRESSIVE, exif(6), b"\0\0\0\x18ftypmp42"],
    ids=["scans", "2 MB", "JPEG", "progressive JPEG", "EXIF", "video"],
)
@pytest.mark.parametrize("body", [BASELINE, PROGRESSIVE], ids=["baseline", "progressive"])
def test_bytes_behind_the_end_are_ignored(body: bytes, trailer: bytes) -> None:
    assert is_smooth(decoded(body + trailer))
    assert read_header(body + trailer) == read_header(body)


def test_scans_in_metadata_are_none() -> None:
    previews = segment(0xE2, PROGRESSIVE) * 30
    for body in (BASELINE, PROGRESSIVE):
        assert read_header(body[:2] + previews + body[2:]).work == read_header(body).work
        assert is_smooth(decoded(body[:2] + previews + body[2:]))


@pytest.mark.parametrize(
    "body",
    [exif(6).join([BASELINE[:at], BASELINE[at:]]) for at in (2, 20, TABLES, SCAN)]
    + [START + exif(6) + exif(3) + BASELINE[2:]],
    ids=["first", "behind JFIF", "behind the frame", "before the scan", "two"],
)
def test_exif_is_found_wherever_it_stands(body: bytes) -> None:
    assert read_header(body).orientation == 6
    assert decoded(body).shape == (64, 48, 3)


@pytest.mark.parametrize("transform", [0, 1, 2])
@pytest.mark.parametrize("has_segment", [True, False])
def test_inks_become_the_colours_that_pillow_gives(transform: int, has_segment: bool) -> None:
    at = CMYK.index(b"\xff\xee")
    body = CMYK[:at] + (adobe(transform) if has_segment else b"") + CMYK[at + 16 :]
    with Image.open(io.BytesIO(body)) as image:
        wanted = np.asarray(image.convert("RGB"))
    assert np.abs(decoded(body).astype(int) - wanted).max() <= 3


@pytest.mark.parametrize(
    "options", [{"subsampling": 0}, {"subsampling": 1}, {"keep_rgb": True}, {"restart_marker_blocks": 1}]
)
def test_samplings_and_restarts(options: dict[str, int]) -> None:
    assert is_smooth(decoded(encode(Image.fromarray(smooth()), "JPEG", quality=95, **options)))


def test_a_sampling_that_turbojpeg_does_not_know_is_decoded() -> None:
    # the blocks of a grey image without chroma are equal, so that their order does not matter
    body = encode(Image.new("RGB", (64, 48), (128, 128, 128)), "JPEG", keep_rgb=True)
    frame = body.index(b"\xff\xc0")
    odd = body[: frame + 11] + b"\x42" + body[frame + 12 :]  # 4×2 blocks instead of 2×2 in a unit
    assert (decoded(odd) == 128).all()
    assert decoded(odd).shape == (48, 64, 3)


@pytest.mark.parametrize("length", [2, 100, -300, -2])
@pytest.mark.parametrize("body", [BASELINE, PROGRESSIVE], ids=["baseline", "progressive"])
def test_a_file_that_is_cut_short_is_a_422(body: bytes, length: int) -> None:
    with pytest.raises(ImageError) as caught:
        decoded(b"\xff\xd8\xff" + body[3:length])
    assert caught.value.status == 422


FLOODS = {
    "segments": START + segment(0xFE, b"a") * 60_000 + BASELINE[2:],
    "tables": BASELINE[:TABLES] + BASELINE[TABLES : TABLES + 33] * 60_000 + BASELINE[TABLES:],
    "fill bytes": START + b"\xff" * 2_000_000 + BASELINE[2:],
    "stuffed bytes": START + b"\xff\0" * 1_000_000 + BASELINE[2:],
    "many gaps": START + (b"\xff" * 1000 + segment(0xFE, b"a")) * 100 + BASELINE[2:],
    "restarts": BASELINE[:-2] + b"\xff\xd0" * 1_000_000 + END,
    "restarts in progressive scans": PROGRESSIVE[:-2] + b"\xff\xd0" * 1_000_000 + END,
    "data": PROGRESSIVE[:-2] + b"\x12" * 2_000_000 + END,
    "scans": PROGRESSIVE[:-2] + PROGRESSIVE[PROGRESSIVE.rindex(b"\xff\xda") : -2] * 250 + END,
}


@pytest.mark.parametrize("name", FLOODS)
def test_floods_are_refused_by_the_header(name: str) -> None:
    with pytest.raises(ImageError, match="more") as caught:
        read_header(FLOODS[name])
    assert caught.value.status == 422


@pytest.mark.parametrize(
    ("frame", "precision", "words"), [(0xC1, 12, "12 bits"), (0xC3, 8, "lossless"), (0xC5, 8, "hierarchical")]
)
def test_forms_that_no_browser_shows_are_named(frame: int, precision: int, words: str) -> None:
    body = BASELINE[: FRAME + 1] + bytes([frame, 0, 17, precision]) + BASELINE[FRAME + 5 :]
    with pytest.raises(ImageError, match=words):
        read_header(body)


def test_work_is_that_of_scans_components_and_coding() -> None:
    arithmetic = BASELINE[: FRAME + 1] + b"\xc9" + BASELINE[FRAME + 2 :]
    full = encode(Image.fromarray(smooth()), "JPEG", subsampling=0)
    assert read_header(BASELINE).work == 48 * 64
    assert read_header(full).work == 2 * 48 * 64
    assert read_header(arithmetic).weight == pytest.approx(3.3)
    assert read_header(CMYK).weight == pytest.approx(4)
    assert read_header(PROGRESSIVE).weight == pytest.approx(1 + 0.5 + 0.4 * PROGRESSIVE.count(b"\xff\xda"))


def test_the_scans_of_a_sequential_file_count() -> None:
    scan = BASELINE[SCAN:-2]
    grey = (
        segment(0xDA, b"\1\1\0\0\x3f\0") + scan[14:]
    )  # one component of three: the other two follow in scans of theirs
    body = BASELINE[:SCAN] + grey * 40 + END
    assert read_header(body).weight == pytest.approx(1 + 0.5 + 0.4 * 40)


@pytest.mark.parametrize("filler", [b"\xff\0", b"\xff", b"\xff\0a", b"\xff\xd0"])
def test_coded_data_that_are_mostly_0xff_are_refused(filler: bytes) -> None:
    body = encode(Image.fromarray(smooth(2000, 2000)), "JPEG", progressive=True)
    at = body.rindex(b"\xff\xda") + 10
    with pytest.raises(ImageError, match=r"mostly 0xFF|more data in a scan"):
        read_header(body[:at] + filler * 2_000_000 + body[at:])


def test_coded_data_longer_than_a_block_are_followed_to_their_end() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (1000, 1500, 3), np.uint8)
    body = encode(Image.fromarray(noise), "JPEG", progressive=True, quality=95)
    assert len(body) > 4 * SEARCHED_BYTES
    assert read_header(body).work == read_header(encode(Image.fromarray(noise), "JPEG", progressive=True)).work
    assert read_header(body + b"\xff" * 2_000_000).work == read_header(body).work
