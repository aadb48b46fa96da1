"""Reading the headers of image files."""

from PIL import Image

from service.detection.image_header import read_header
from tests.service.image_files import encode


def test_the_size_of_every_webp_variant_is_read() -> None:
    image = Image.new("RGB", (64, 48), "white")
    exif = Image.Exif()
    exif[0x0112] = 1
    for options in ({}, {"lossless": True}, {"exif": exif}):
        header = read_header(encode(image, "WEBP", **options))
        assert (header.height, header.width) == (48, 64)
