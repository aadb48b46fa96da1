"""A sheet with pictures of a detector's worst misses and false alarms."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from math import ceil

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from models.data.data_set import DataSet, Image
from models.evaluation.average_precision import Float
from models.evaluation.mistakes import Mistake, Mistakes
from models.evaluation.plots import shortened

COLUMNS = 6
CELL, PAD = (2.4, 2.95), 0.08  # inches, of a crop with its three lines of text
MAX_LINE = 34  # characters of a line of text
TITLE, HEADING = 0.75, 0.35  # inches
OBJECT, DETECTION = "#00b050", "#1040ff"
MARGIN = 0.5  # of the mistake's longer side, on each side
MIN_MARGIN = 20  # pixels


def draw_mistakes(data_set: DataSet, mistakes: Mistakes, title: str) -> Figure:
    """A crop around each mistake: objects green, detections blue and dashed; the mistake itself thick.

    Only the images that are shown are read, one at a time.
    """
    kinds = [
        ("Missed objects, the lowest score first", mistakes.misses),
        ("False alarms, the highest score first", mistakes.false_alarms),
    ]
    width, height = COLUMNS * CELL[0], TITLE + sum(HEADING + ceil(len(found) / COLUMNS) * CELL[1] for _, found in kinds)
    figure = Figure(figsize=(width, height))
    caption = f"{title}\ngreen: object; blue, dashed: detection; thick: the mistake"
    figure.text(0.5, 1 - 0.1 / height, caption, ha="center", va="top", fontsize=11)
    top = height - TITLE
    for heading, found in kinds:
        text = heading if found else f"{heading}: none"
        figure.text(0.5, (top - 0.1) / height, text, ha="center", va="top", fontsize=11, fontweight="bold")
        top -= HEADING
        for n, image in _with_images(data_set, found):
            x, y = n % COLUMNS * CELL[0] + PAD, top - (n // COLUMNS + 1) * CELL[1] + PAD
            size = CELL[0] - 2 * PAD
            axes = figure.add_axes((x / width, y / height, size / width, size / height))
            _draw(axes, data_set, found[n], image, is_miss=found is mistakes.misses)
        top -= ceil(len(found) / COLUMNS) * CELL[1]
    return figure


def _with_images(data_set: DataSet, mistakes: Sequence[Mistake]) -> Iterator[tuple[int, Image]]:
    """The position of each mistake, with its image; each image is read once."""
    by_image = sorted(range(len(mistakes)), key=lambda n: mistakes[n].image)
    for image, positions in groupby(by_image, key=lambda n: mistakes[n].image):
        pixels = data_set.samples[image].read_image()
        for n in positions:
            yield n, pixels


def _draw(axes: Axes, data_set: DataSet, mistake: Mistake, image: Image, is_miss: bool) -> None:
    sample = data_set.samples[mistake.image]
    x1, y1, x2, y2 = crop_of(mistake, image)
    axes.imshow(image[y1:y2, x1:x2].copy(), extent=(x1, x2, y2, y1))  # a copy, so that the image can go
    for box in sample.boxes:
        _rectangle(axes, box, OBJECT, 1)
    if mistake.related is not None and is_miss:
        _rectangle(axes, mistake.related, DETECTION, 1.5)
    _rectangle(axes, mistake.box, OBJECT if is_miss else DETECTION, 3)
    axes.set(xlim=(x1, x2), ylim=(y2, y1))
    axes.set_anchor("N")  # the texts of a row stand on one line
    axes.axis("off")
    name = data_set.classes[mistake.label]
    heading = name if is_miss else f"{name} {mistake.score:.2f}"
    lines = (heading, mistake.reason, sample.image_path.name)
    axes.set_title("\n".join(shortened(line, MAX_LINE) for line in lines), fontsize=8)


def crop_of(mistake: Mistake, image: Image) -> tuple[int, int, int, int]:
    """x1, y1, x2, y2 of a square around the mistake's boxes, inside the image; not square at its borders."""
    boxes = np.stack([mistake.box] if mistake.related is None else [mistake.box, mistake.related])
    low, high = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
    longer = (high - low).max()
    half = longer / 2 + max(MARGIN * longer, MIN_MARGIN)
    centre = (low + high) / 2
    limits = [image.shape[1], image.shape[0]]
    x1, y1 = np.floor(centre - half).clip(0, np.array(limits) - 1).astype(int).tolist()
    x2, y2 = np.ceil(centre + half).clip([x1 + 1, y1 + 1], limits).astype(int).tolist()
    return x1, y1, x2, y2


def _rectangle(axes: Axes, box: Float, colour: str, width: float) -> None:
    x1, y1, x2, y2 = box.tolist()
    style = "-" if colour == OBJECT else "--"
    axes.add_patch(Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, color=colour, linewidth=width, linestyle=style))
