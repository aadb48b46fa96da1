"""Boxes with their labels on a picture; it needs Pillow."""

import io
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont

from singleshot.client.detections import Detection, Detections
from singleshot.client.picture import file_bytes, is_pixels, upright

if TYPE_CHECKING:
    from singleshot.client.picture import Picture

# the eight colours of Okabe and Ito without black: colour-blind people can tell them apart
COLOURS = ("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7")
PIXELS_A_LINE = 300  # of the shorter side, for each pixel of a line's thickness
PIXELS_A_LETTER = 36  # of the shorter side, for each pixel of a letter's height
LETTERS = (11, 40)  # the least and the greatest height in pixels


def draw(picture: "Picture", detections: Detections) -> Image.Image:
    """The upright picture, RGB, with the detections; raises ValueError if they are those of a picture of another size.

    The labels of the best detections are on top.
    """
    canvas = _canvas_of(picture)
    if canvas.size != (detections.width, detections.height):
        raise ValueError(
            f"the picture has {canvas.width}×{canvas.height} pixels, and the one of these detections "
            f"{detections.width}×{detections.height}; draw on the picture that was sent"
        )
    side = min(canvas.size)
    thickness = max(1, round(side / PIXELS_A_LINE))
    font = ImageFont.load_default(min(max(LETTERS[0], side / PIXELS_A_LETTER), LETTERS[1]))
    pen = ImageDraw.Draw(canvas)
    for one in detections:
        pen.rectangle(one.box, outline=_colour_of(one), width=thickness)
    for one in reversed(detections.objects):
        _write_label(pen, one, font, canvas.width)
    return canvas


def _canvas_of(picture: "Picture") -> Image.Image:
    image = upright(picture if is_pixels(picture) else Image.open(io.BytesIO(file_bytes(picture))))
    if image.mode == "RGBA":
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image.convert("RGB")


def _write_label(
    pen: ImageDraw.ImageDraw, one: Detection, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, canvas_width: int
) -> None:
    """Black letters on the colour of the class, above the box if there is room, else at its top, inside the picture."""
    text = f"{one.label} {one.score:.2f}"
    _, _, right, bottom = pen.textbbox((0, 0), text, font)
    width, height = right + 2, bottom + 2
    x = max(0, min(one.box[0], canvas_width - width))
    y = max(0, one.box[1] - height)
    pen.rectangle((x, y, x + width, y + height), fill=_colour_of(one))
    pen.text((x + 1, y + 1), text, fill="black", font=font)


def _colour_of(one: Detection) -> str:
    return COLOURS[one.class_id % len(COLOURS)]
