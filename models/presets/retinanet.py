"""The presets of RetinaNet, of FSAF, and of both together."""

import dataclasses

from models.data.scale_jitter import ScaleJitterConfig
from models.optim.optimizer import OptimConfig
from models.presets.passd import PASSD_320_MOBILENET_BCCD
from models.presets.preset import Preset
from models.retinanet.retinanet import Branches, RetinaNetConfig

RETINANET_FAMILIES: dict[str, Branches] = {  # FSAF, Table 2
    "retinanet": "anchor-based",
    "fsaf": "anchor-free",
    "retinanet-fsaf": "joint",
}


JITTERED_SCALES = tuple((short, 1333) for short in (640, 672, 704, 736, 768, 800))  # FSAF §4.2


def retinanet_optim(branches: Branches, epochs: int, steps: tuple[int, ...]) -> OptimConfig:
    """FSAF §3.4: a batch of 16 and 90k iterations, which are 12.2 epochs of trainval35k, a tenth of the rate from 60k and 80k.

    The warm-up is Detectron's 500 iterations from a third. The paper clips no gradient; that of the anchor-free branch's
    logarithm has no bound, and mmdetection found the limit necessary.
    """
    return OptimConfig(
        lr=0.01,
        weight_decay=1e-4,
        batch_size=16,
        epochs=epochs,
        warmup_epochs=0.07,
        warmup_lr=0.01 / 3,
        steps=steps,
        clip_grad_norm=0.0 if branches == "anchor-based" else 10.0,
    )


def retinanet_coco(name: str, model: RetinaNetConfig, augment: ScaleJitterConfig = ScaleJitterConfig()) -> Preset:
    """RetinaNet or FSAF as it was trained and measured on MS COCO (FSAF §3.4, §4.1)."""
    optim = retinanet_optim(model.branches, epochs=12, steps=(8, 11))
    return Preset(name, model, optim, augment, evaluate_every=1, init="imagenet", nms="hard", nms_iou=0.5)


def retinanet_multiscale(preset: Preset) -> Preset:
    """The same with scale jitter and the schedule one and a half times as long (FSAF §4.2)."""
    return dataclasses.replace(
        preset,
        name=f"{preset.name}-multiscale",
        optim=dataclasses.replace(preset.optim, epochs=18, steps=(12, 16)),
        augment=ScaleJitterConfig(JITTERED_SCALES),
    )


def retinanet_small(name: str, branches: Branches, size: int) -> Preset:
    """The same network on letterboxed pictures of 320 or 512 pixels, which a CPU can serve; jitter has the paper's range."""
    scales = tuple((round(size * short / 800),) * 2 for short, _ in JITTERED_SCALES)
    return retinanet_coco(name, RetinaNetConfig("resnet50", size, branches), ScaleJitterConfig(scales))


def retinanet_mobilenet(name: str, branches: Branches) -> Preset:
    """A network of a tenth of the multiply-adds, from scratch as PASSD_320_MOBILENET_BCCD.

    Without pretraining the norms must learn, and so must all stages. The towers have no norm: a quarter of that recipe's
    rate, reached slowly, keeps their first steps from overshooting.
    """
    model = RetinaNetConfig("mobilenet", 320, branches, backbone_norm="batch", channels=128, num_frozen_stages=0)
    optim = dataclasses.replace(PASSD_320_MOBILENET_BCCD.optim, lr=5e-4, warmup_epochs=2.0)
    return dataclasses.replace(PASSD_320_MOBILENET_BCCD, name=name, model=model, optim=optim, nms="hard", nms_iou=0.5)


def retinanet_family(family: str, branches: Branches) -> list[Preset]:
    """All sizes of one family."""
    large = [
        retinanet_coco(f"{family}-{backbone}", RetinaNetConfig(backbone, 1024, branches))
        for backbone in ("resnet50", "resnet101", "resnext101")
    ]
    small = [retinanet_small(f"{family}-{size}-resnet50", branches, size) for size in (320, 512)]
    return [*large, *small, retinanet_mobilenet(f"{family}-320-mobilenet", branches)]


RETINANETS = [
    preset for family, branches in RETINANET_FAMILIES.items() for preset in retinanet_family(family, branches)
]


MULTISCALE = [
    retinanet_multiscale(preset)
    for preset in RETINANETS
    if preset.name in ("retinanet-fsaf-resnet101", "retinanet-fsaf-resnext101")
]
