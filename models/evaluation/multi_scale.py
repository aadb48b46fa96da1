"""Evaluation of RetinaNet on images at their own aspect ratio: at one scale, or at several with flips (FSAF §4.2)."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from models.data.data_set import Boxes, Image, Sample
from models.data.flip import mirror
from models.data.scale_jitter import Scale, ScaleJitterConfig, pad_to_top_level, rescale
from models.presets.preset import Preset, PresetError
from models.retinanet.retinanet import RetinaNetConfig
from service.bundle import InputSpec
from service.detection.postprocess import Detections, Options, postprocess
from service.engines.protocol import Engine, ImageCandidates

BASE_SHORT_SIDE = 800  # FSAF §4.1
AUGMENTED_SHORT_SIDES = (400, 500, 600, 700, 900, 1000, 1100, 1200)  # FSAF §4.2
# FSAF §3.4; MS COCO allows 100 detections.
OPTIONS = Options("hard", sigma=0.5, iou_threshold=0.5, score_threshold=0.05, max_detections=100)


def single_scale(preset: Preset) -> tuple[Scale, ...]:
    """The scale of a preset's evaluation: the largest of its training, 800 by 1333 in the paper."""
    if not isinstance(preset.model, RetinaNetConfig):
        raise PresetError(
            f"{preset.name} takes images of one size; only RetinaNet and FSAF can be evaluated at other scales"
        )
    if isinstance(preset.augment, ScaleJitterConfig):
        return (max(preset.augment.scales),)
    return ((preset.model.input_size, preset.model.input_size),)


def multi_scale(preset: Preset) -> tuple[Scale, ...]:
    """The scales of test-time augmentation: short sides of 400 to 1200 pixels in the paper.

    If a preset's own scale is not 800, they change in proportion. So does the maximum of the long side: 2000 pixels for
    a short side of 1200, as in Detectron.
    """
    ((short, longest),) = single_scale(preset)
    shares = [side / BASE_SHORT_SIDE for side in AUGMENTED_SHORT_SIDES]
    return tuple((round(short * share), round(longest * share)) for share in shares)


def detect_all(engine: Engine, samples: Sequence[Sample], scales: Sequence[Scale], flip: bool) -> Iterator[Detections]:
    """The detections in each sample's image, in order."""
    for sample in samples:
        yield detect(engine, sample.read_image(), scales, flip)


def detect(engine: Engine, image: Image, scales: Sequence[Scale], flip: bool) -> Detections:
    """The detections in an image uint8 (H, W, 3): one NMS over the candidates of all its views."""
    views = [
        view(engine, image, scale, mirrored) for scale in scales for mirrored in ([False, True] if flip else [False])
    ]
    boxes, scores, labels = (np.concatenate(parts) for parts in zip(*views, strict=True))
    height, width = image.shape[:2]
    spec = InputSpec(height=height, width=width, resize="stretch")
    return postprocess(ImageCandidates(boxes, scores, labels), OPTIONS, spec, (height, width))


def view(
    engine: Engine, image: Image, scale: Scale, mirrored: bool
) -> tuple[Boxes, NDArray[np.float32], NDArray[np.int32]]:
    """The candidates of one image at one scale: boxes (T, 4) in pixels of the original, scores (T), labels (T)."""
    height, width = image.shape[:2]
    resized = rescale(np.ascontiguousarray(image[:, ::-1]) if mirrored else image, scale)
    found = engine(pad_to_top_level(resized)[None])
    ratio = np.array([width / resized.shape[1], height / resized.shape[0]] * 2, np.float32)
    boxes = found.boxes[0] * ratio
    if mirrored:
        boxes = mirror(boxes, width)
    return boxes, found.scores[0], found.labels[0]
