"""Presets of RetinaNet, of FSAF, and of both together."""

import dataclasses

from models.data.scale_jitter import ScaleJitterConfig
from models.optim.optimizer import OptimConfig
from models.presets.passd import PASSD_320_MOBILENET_FINETUNE
from models.presets.preset import Preset
from models.retinanet.retinanet import Branches, RetinaNetConfig

RETINANET_FAMILIES: dict[str, Branches] = {  # FSAF, Table 2
    "retinanet": "anchor-based",
    "fsaf": "anchor-free",
    "retinanet-fsaf": "joint",
}

JITTERED_SCALES = tuple((short, 1333) for short in (640, 672, 704, 736, 768, 800))  # FSAF §4.2


def retinanet_optim(branches: Branches, epochs: int, steps: tuple[int, ...]) -> OptimConfig:
    """The optimizer of FSAF §3.4: a batch of 16 for 90k iterations, which are 12.2 epochs of trainval35k.

    The rate is divided by 10 after 60k and after 80k iterations. The warm-up is Detectron's: 500 iterations from a
    third of the rate. The paper does not clip gradients; the gradient of the anchor-free branch's logarithm has no
    bound, and mmdetection found a limit necessary.
    """
    return OptimConfig(
        lr=0.01,
        weight_decay=1e-4,
        batch_size=16,
        epochs=epochs,
        warmup_epochs=0.0,
        warmup_steps=500,
        warmup_lr=0.01 / 3,
        steps=steps,
        clip_grad_norm=0.0 if branches == "anchor-based" else 10.0,
    )


def retinanet_coco(name: str, model: RetinaNetConfig, augment: ScaleJitterConfig = ScaleJitterConfig()) -> Preset:
    """RetinaNet or FSAF as trained and evaluated on MS COCO (FSAF §3.4, §4.1).

    Candidates are the best 1000 of each level (§3.4), and of these the best 3000: TensorRT finds at most 3840.
    """
    model = dataclasses.replace(model, candidates_per_level=1000, max_candidates=3000)
    optim = retinanet_optim(model.branches, epochs=12, steps=(8, 11))
    return Preset(
        *(name, model, optim, augment), evaluate_every=1, best_by="AP50:95", init="imagenet", nms="hard", nms_iou=0.5
    )


def retinanet_multiscale(preset: Preset) -> Preset:
    """The preset with scale jitter and a schedule one and a half times as long (FSAF §4.2)."""
    return dataclasses.replace(
        preset,
        name=f"{preset.name}-multiscale",
        optim=dataclasses.replace(preset.optim, epochs=18, steps=(12, 16)),
        augment=ScaleJitterConfig(JITTERED_SCALES),
    )


def retinanet_small(name: str, branches: Branches, size: int) -> Preset:
    """The network on letterboxed images of 320 or 512 pixels, which a CPU can serve.

    The jitter has the paper's range, in proportion.
    """
    scales = tuple((round(size * short / 800),) * 2 for short, _ in JITTERED_SCALES)
    return retinanet_coco(name, RetinaNetConfig("resnet50", size, branches), ScaleJitterConfig(scales))


def retinanet_mobilenet(name: str, branches: Branches) -> Preset:
    """A network with a tenth of the multiply-adds, for one's own data, trained like PASSD_320_MOBILENET_FINETUNE.

    All its stages are trained. The towers have no norms: half the learning rate and a longer warm-up prevent their
    first steps from overshooting.
    """
    model = RetinaNetConfig(
        *("mobilenet", 320, branches),
        backbone_norm="batch",
        backbone_activation="relu6",
        channels=128,
        num_frozen_stages=0,
    )
    recipe = PASSD_320_MOBILENET_FINETUNE
    optim = dataclasses.replace(recipe.optim, lr=5e-4, warmup_epochs=2.0)
    return dataclasses.replace(recipe, name=name, model=model, optim=optim, nms="hard", nms_iou=0.5)


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
