"""Writes one small data set in each of the layouts that Roboflow exports."""

import json
from pathlib import Path
from typing import Any

import yaml
from PIL import Image

from tests.models.pictures import CLASSES, Picture, annotation, draw

SPLITS = {"train": range(3), "valid": range(3, 5), "test": range(5, 7)}


def write_image(folder: Path, seed: int) -> Picture:
    folder.mkdir(parents=True, exist_ok=True)
    picture = draw(seed)
    Image.fromarray(picture.pixels).save(folder / f"{seed:06}.png")
    return picture


def write_yolo(root: Path, **changes: Any) -> Path:
    """train/images/*.png, train/labels/*.txt, the same for valid and test, and data.yaml as Roboflow writes it."""
    for split, seeds in SPLITS.items():
        (root / split / "labels").mkdir(parents=True)
        for seed in seeds:
            picture = write_image(root / split / "images", seed)
            rows = []
            for (x1, y1, x2, y2), label in zip(picture.boxes.tolist(), picture.labels.tolist(), strict=True):
                centre = (x1 + x2) / 2 / 128, (y1 + y2) / 2 / 96
                rows.append(f"{label} {centre[0]} {centre[1]} {(x2 - x1) / 128} {(y2 - y1) / 96}\n")
            (root / split / "labels" / f"{seed:06}.txt").write_text("".join(rows))
    content = {
        "train": "../train/images",
        "val": "../valid/images",
        "test": "../test/images",
        "nc": 2,
        "names": list(CLASSES),
        "roboflow": {"project": "rectangles", "version": 1},
    }
    (root / "data.yaml").write_text(yaml.safe_dump({**content, **changes}))
    return root


def write_coco_export(root: Path) -> Path:
    """train/*.png and train/_annotations.coco.json, with the category 0 that groups the classes."""
    group = {"id": 0, "name": "rectangles", "supercategory": "none"}
    categories = [group] + [{"id": k + 1, "name": n, "supercategory": "rectangles"} for k, n in enumerate(CLASSES)]
    for split, seeds in SPLITS.items():
        images: list[dict[str, Any]] = []
        annotations: list[dict[str, Any]] = []
        for image_id, seed in enumerate(seeds):
            picture = write_image(root / split, seed)
            images.append({"id": image_id, "file_name": f"{seed:06}.png", "height": 96, "width": 128})
            for (x1, y1, x2, y2), label in zip(picture.boxes.tolist(), picture.labels.tolist(), strict=True):
                entry = {"id": len(annotations), "image_id": image_id, "category_id": label + 1, "iscrowd": 0}
                annotations.append({**entry, "bbox": [x1, y1, x2 - x1, y2 - y1], "area": (x2 - x1) * (y2 - y1)})
        content = {"images": images, "annotations": annotations, "categories": categories}
        (root / split / "_annotations.coco.json").write_text(json.dumps(content))
    return root


def write_voc_export(root: Path) -> Path:
    """train/*.png and train/*.xml."""
    for split, seeds in SPLITS.items():
        for seed in seeds:
            picture = write_image(root / split, seed)
            boxes = [(x1 + 1, y1 + 1, x2, y2) for x1, y1, x2, y2 in picture.boxes.tolist()]
            objects = list(zip((CLASSES[label] for label in picture.labels), boxes, strict=True))
            (root / split / f"{seed:06}.xml").write_text(annotation(128, 96, objects))
    return root
