"""The pyramid level that detects each object, and the level that an anchor-based branch would use: FSAF's Figure 8."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.boxes.anchors import Size, anchors
from models.boxes.geometry import cxcywh_to_xyxy, iou
from models.data.data_set import Sample
from models.detector import normalise
from models.papers.errors import FigureError
from models.retinanet.anchor_branch import ASPECT_RATIOS, BOX_SIZE, SCALES
from models.retinanet.retinanet import RetinaNet
from service.detection.fit import boxes_to_image, fit
from service.detection.soft_nms import soft_nms

IOU_THRESHOLD = 0.5  # FSAF §3.4
MAX_DETECTIONS = 100
FINEST = 3  # P3
AGREES, DIFFERS = (0, 170, 0), (230, 0, 0)  # RGB: green and red, as in the figure


@dataclass(frozen=True)
class Found:
    """The detections of the anchor-free branch in one image.

    boxes (D, 4) xyxy in pixels of the image, scores (D), labels (D); levels (D), the number of the level of each
    detection; anchor_levels (D), the number of the level that has the anchor with the highest IoU.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    labels: NDArray[np.int32]
    levels: NDArray[np.int64]
    anchor_levels: NDArray[np.int64]

    @property
    def agrees(self) -> NDArray[np.bool_]:
        return np.asarray(self.levels == self.anchor_levels)


def write_figures(model: RetinaNet, samples: Iterable[Sample], out: Path, score_threshold: float) -> str:
    """Draw each image into the folder `out` -> a table with the number of detections and of agreements by level."""
    out.mkdir(parents=True, exist_ok=True)
    names: Counter[str] = Counter()
    levels: list[int] = []
    agrees: list[bool] = []
    for sample in samples:
        image = sample.read_image()
        found = find(model, image, score_threshold)
        drawn = cv2.cvtColor(draw(image, found, model.classes), cv2.COLOR_RGB2BGR)
        stem = sample.image_path.stem
        names[stem] += 1  # of several data sets, some may have images of the same name
        path = out / (f"{stem}.png" if names[stem] == 1 else f"{stem}-{names[stem]}.png")
        if not cv2.imwrite(str(path), drawn):
            raise FigureError(f"{path}: the image cannot be written; choose another --out")
        levels += found.levels.tolist()
        agrees += found.agrees.tolist()
    lines = ["level  detections  on the anchors' level"]
    for level in range(FINEST, FINEST + len(model.anchor_free.strides) if model.anchor_free else FINEST):
        own = [a for number, a in zip(levels, agrees, strict=True) if number == level]
        lines.append(f"P{level}     {len(own):10}  {sum(own):21}")
    return "\n".join([*lines, f"all    {len(levels):10}  {sum(agrees):21}"])


@torch.inference_mode()
def find(model: RetinaNet, image: NDArray[np.uint8], score_threshold: float) -> Found:
    """The detections of the model's anchor-free branch in an image uint8 (H, W, 3), with their levels."""
    if model.anchor_free is None:
        raise FigureError(
            "the model has no anchor-free branch, whose levels the figure shows; give a checkpoint of an fsaf or "
            "retinanet-fsaf preset"
        )
    spec = model.config.input_spec
    pixels = torch.from_numpy(fit(image, spec))[None].to(next(model.parameters()).device)
    predictions = model(normalise(pixels)).anchor_free
    boxes, scores = (part[0] for part in model.anchor_free.decode(predictions))
    best, labels = scores.max(dim=1)
    rows = best.cpu().numpy(), labels.to(torch.int32).cpu().numpy()
    kept, kept_scores = soft_nms(
        boxes.cpu().numpy(),
        *rows,
        method="hard",
        sigma=0.5,
        iou_threshold=IOU_THRESHOLD,
        score_threshold=score_threshold,
        max_detections=MAX_DETECTIONS,
    )
    own = boxes[torch.from_numpy(kept).to(boxes.device)]
    cells = predictions.cells
    return Found(
        boxes_to_image(own.cpu().numpy(), spec, (image.shape[0], image.shape[1])),
        kept_scores,
        rows[1][kept],
        FINEST + cells.level.cpu().numpy()[kept],
        FINEST + anchor_levels(own, cells.map_sizes, cells.strides).cpu().numpy(),
    )


def anchor_levels(boxes: Tensor, map_sizes: Sequence[Size], strides: Sequence[int]) -> Tensor:
    """The level of the anchor with the highest IoU: boxes (D, 4) xyxy in input pixels -> (D) int64; 0 is the finest."""
    per_level = [
        anchors([size], [stride], BOX_SIZE, SCALES, ASPECT_RATIOS)
        for size, stride in zip(map_sizes, strides, strict=True)
    ]
    best = [iou(boxes, cxcywh_to_xyxy(level.to(boxes.device))).amax(dim=1) for level in per_level]
    return torch.stack(best, dim=1).argmax(dim=1)


def draw(image: NDArray[np.uint8], found: Found, classes: Sequence[str]) -> NDArray[np.uint8]:
    """The image uint8 (H, W, 3) with each box, its level and its class: green if both levels agree, else red."""
    canvas = image.copy()
    thickness = max(1, round(max(image.shape[:2]) / 400))
    font, font_scale = cv2.FONT_HERSHEY_SIMPLEX, max(0.4, thickness * 0.4)
    rows = zip(found.boxes.round().astype(int).tolist(), found.labels, found.levels, found.agrees, strict=True)
    for (x1, y1, x2, y2), label, level, agrees in rows:
        colour = AGREES if agrees else DIFFERS
        cv2.rectangle(canvas, (x1, y1), (x2, y2), colour, thickness, cv2.LINE_AA)
        text = f"{level} {classes[label]}"
        (width, height), below = cv2.getTextSize(text, font, font_scale, thickness)
        base = max(y1, height + below)
        cv2.rectangle(canvas, (x1, base - height - below), (x1 + width, base), colour, cv2.FILLED)
        cv2.putText(canvas, text, (x1, base - below // 2), font, font_scale, (255, 255, 255), thickness, cv2.LINE_AA)
    return canvas
