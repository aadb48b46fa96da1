"""Generated images whose objects are plain to see: red and green rectangles on grey."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

COLOURS = {"green": (0, 255, 0), "red": (255, 0, 0)}
CLASSES = tuple(COLOURS)


@dataclass(frozen=True)
class Picture:
    """pixels uint8 (H, W, 3); boxes float32 (M, 4) xyxy; labels int64 (M), an index into CLASSES."""

    pixels: NDArray[np.uint8]
    boxes: NDArray[np.float32]
    labels: NDArray[np.int64]


def draw(seed: int, height: int = 96, width: int = 128) -> Picture:
    """One rectangle in the left half and one in the right, 24 to 56 pixels wide and high."""
    rng = np.random.default_rng(seed)
    pixels = np.full((height, width, 3), 90, np.uint8)
    boxes, labels = [], []
    for half in range(2):
        w, h = rng.integers(24, 57, 2)
        x1 = half * width // 2 + rng.integers(width // 2 - w + 1)
        y1 = rng.integers(height - h + 1)
        label = rng.integers(len(CLASSES))
        pixels[y1 : y1 + h, x1 : x1 + w] = COLOURS[CLASSES[label]]
        boxes.append((x1, y1, x1 + w, y1 + h))
        labels.append(label)
    return Picture(pixels, np.array(boxes, np.float32), np.array(labels, np.int64))


def annotation(
    width: int, height: int, objects: list[tuple[str, tuple[float, float, float, float]]], extra: str = ""
) -> str:
    """A Pascal VOC annotation. Boxes are as in the file, which counts pixels from 1 and includes the last."""
    parts = [
        f"<object><name>{name}</name>{extra}"
        f"<bndbox><xmin>{x1}</xmin><ymin>{y1}</ymin><xmax>{x2}</xmax><ymax>{y2}</ymax></bndbox></object>"
        for name, (x1, y1, x2, y2) in objects
    ]
    size = f"<size><width>{width}</width><height>{height}</height><depth>3</depth></size>"
    return f"<annotation>{size}{''.join(parts)}</annotation>"


def write_voc(root: Path, splits: dict[str, int]) -> Path:
    """A Pascal VOC tree; `splits` gives the number of images in each split."""
    for folder in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (root / folder).mkdir(parents=True)
    seed = 0
    for split, count in splits.items():
        names = []
        for _ in range(count):
            picture, name = draw(seed), f"{seed:06}"
            seed += 1
            names.append(name)
            Image.fromarray(picture.pixels).save(root / "JPEGImages" / f"{name}.png")
            boxes = [(x1 + 1, y1 + 1, x2, y2) for x1, y1, x2, y2 in picture.boxes.astype(int).tolist()]
            objects = list(zip((CLASSES[label] for label in picture.labels), boxes, strict=True))
            height, width = picture.pixels.shape[:2]
            (root / "Annotations" / f"{name}.xml").write_text(annotation(width, height, objects))
        (root / "ImageSets" / "Main" / f"{split}.txt").write_text("\n".join(names) + "\n")
    return root
