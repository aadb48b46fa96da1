"""Writes small data sets in the layout of MS COCO."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

CATEGORIES = [{"id": 90, "name": "toothbrush"}, {"id": 3, "name": "car"}, {"id": 17, "name": "cat"}]


def annotation_file(seed: int = 0, num_images: int = 12) -> dict[str, Any]:
    """Images of 200 x 160 pixels, whose ids have gaps and no order; every fourth is empty, every third has a crowd."""
    rng = np.random.default_rng(seed)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for n in range(num_images):
        image_id = 1000 - 37 * n
        images.append({"id": image_id, "file_name": f"{image_id:012}.png", "height": 160, "width": 200})
        for k in range(0 if n % 4 == 0 else int(rng.integers(1, 5))):
            x, y = rng.uniform(0, 100, 2)
            w, h = rng.uniform(5, 60, 2) if k % 2 else rng.uniform(40, 99, 2)
            annotations.append(
                {
                    "id": 500 + 7 * len(annotations),
                    "image_id": image_id,
                    "category_id": int(rng.choice([3, 17, 90])),
                    "bbox": [float(x), float(y), float(w), min(float(h), 160 - float(y))],
                    "area": float(w * min(h, 160 - y)) * 0.8,
                    "iscrowd": int(k == 0 and n % 3 == 0),
                }
            )
    return {"images": images, "annotations": annotations, "categories": CATEGORIES}


def write_coco(root: Path, content: dict[str, Any], split: str = "val2017", folder: str = "val2017") -> Path:
    """Write an annotation file and its images in black."""
    (root / "annotations").mkdir(parents=True, exist_ok=True)
    (root / "annotations" / f"instances_{split}.json").write_text(json.dumps(content))
    (root / folder).mkdir(parents=True, exist_ok=True)
    for image in content["images"]:
        Image.new("RGB", (image["width"], image["height"])).save(root / folder / image["file_name"])
    return root
