"""Presets: named, complete recipes. A preset is a Python value; an experiment is a diff (`--set optim.lr=0.002`)."""

import dataclasses
import json
from dataclasses import dataclass
from typing import Any, Literal

from models.mixed_precision import Precision
from models.passd import PASSD, PASSDConfig
from models.retinanet import Branches, RetinaNet, RetinaNetConfig
from service.bundle import NmsDefaults
from service.soft_nms import Method


class PresetError(Exception):
    """A preset or a setting that does not exist; the message lists those that do."""


@dataclass(frozen=True)
class AugmentConfig:
    """SSD's augmentation (Liu et al. 2016, §2.2 and §3.6), as probabilities and ranges."""

    photometric: bool = True
    expand_probability: float = 0.6  # zoom-out, as in RFBNet
    expand_max: float = 4.0
    crop_probability: float = 6 / 7  # zoom-in: SSD draws "the whole image" once in seven
    crop_min: float = 0.3  # smallest side of a crop over the image's
    flip: float = 0.5
    vertical_flip: float = 0.0  # for pictures without an up and a down, such as microscopy


Scale = tuple[int, int]  # (short side, longest long side) in pixels


@dataclass(frozen=True)
class ScaleJitterConfig:
    """RetinaNet's augmentation: the scales of which each picture draws one, and the probabilities of flips."""

    scales: tuple[Scale, ...] = ((800, 1333),)  # FSAF §4.1; the long side as in Detectron
    flip: float = 0.5
    vertical_flip: float = 0.0  # for pictures without an up and a down, such as microscopy


@dataclass(frozen=True)
class OptimConfig:
    """SGD with warm-up and steps (PASSD §6.1, §7.1; FSAF §3.4), or AdamW and a cosine for short runs from scratch."""

    optimizer: Literal["sgd", "adamw"] = "sgd"
    lr: float = 4e-3
    momentum: float = 0.9
    weight_decay: float = 5e-4
    batch_size: int = 32  # of all processes together
    accumulate: int = 1  # parts that a process takes its share of a batch in, for small machines
    epochs: int = 250
    warmup_epochs: float = 5.0
    warmup_lr: float = 1e-6
    schedule: Literal["step", "cosine"] = "step"
    steps: tuple[int, ...] = (150, 200)  # epochs at which the rate is divided by 10
    clip_grad_norm: float = 0.0  # 0 turns it off
    precision: Precision = "auto"
    ema: float = 0.0  # decay of an average of the weights, which is then what is evaluated and exported; 0 turns it off

    def __post_init__(self) -> None:
        for name in ("lr", "batch_size", "accumulate", "epochs"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0, not {getattr(self, name)}")
        if not 0 <= self.ema < 1:
            raise ValueError(f"ema must be at least 0 and below 1, not {self.ema}")


@dataclass(frozen=True)
class Preset:
    """A model, and how it is trained."""

    name: str
    model: PASSDConfig | RetinaNetConfig
    optim: OptimConfig = OptimConfig()
    augment: AugmentConfig | ScaleJitterConfig = AugmentConfig()
    evaluate_every: int = 5  # epochs
    seed: int = 0
    init: str = "none"  # the base network's weights at the start: imagenet, none or a file
    nms: Method = "gaussian"  # what AP is measured with
    nms_iou: float = 0.45  # PASSD §6.2

    def build(self, classes: tuple[str, ...]) -> PASSD | RetinaNet:
        """The model, freshly initialised."""
        try:
            if isinstance(self.model, RetinaNetConfig):
                return RetinaNet(self.model, classes)
            return PASSD(self.model, classes)
        except ValueError as error:
            raise PresetError(f"{self.name}: {error}") from error

    @property
    def nms_defaults(self) -> NmsDefaults:
        """What AP is measured with."""
        return NmsDefaults(method=self.nms, iou_threshold=self.nms_iou)

    def to_json(self) -> str:
        kinds = {name: type(getattr(self, name)).__name__ for name in CONFIGS}
        return json.dumps(dataclasses.asdict(self) | {"kinds": kinds})


CONFIGS: dict[str, tuple[Any, ...]] = {"model": (PASSDConfig, RetinaNetConfig), "augment": (AugmentConfig, ScaleJitterConfig)}
"""The kinds of value that a preset's fields can have; the first is that of files which do not say."""


PASSD_MODELS = {  # PASSD, Tables 4 to 7
    "passd-320-vgg16": PASSDConfig("vgg16", 320),
    "passd-512-vgg16": PASSDConfig("vgg16", 512),
    "passd-320-resnet101": PASSDConfig("resnet101", 320),
    "passd-512-resnet101": PASSDConfig("resnet101", 512),
    "passd-768-resnet101": PASSDConfig("resnet101", 768, num_levels=5),
    "passd-320-mobilenet": PASSDConfig("mobilenet", 320),
    "passd-320-vgg16bn": PASSDConfig("vgg16bn", 320),
}
COCO_SCALES = (2 ** (-1 / 3), 1.0, 2 ** (1 / 3))  # PASSD, footnote 3


def passd_voc(name: str, model: PASSDConfig) -> Preset:
    """PASSD as it was trained and measured on Pascal VOC (§6, §7.1); the batch of 768 pixels is footnote 4's.

    VGG-16-BN is the model of §7.3.2, trained from scratch. So must MobileNet be here: torchvision has no weights of it.
    """
    init = "none" if model.backbone in ("mobilenet", "vgg16bn") else "imagenet"
    return Preset(name, model, OptimConfig(batch_size=24 if model.input_size == 768 else 32), init=init, nms="hard")


def passd_coco(name: str, model: PASSDConfig) -> Preset:
    """The same as it was trained and measured on MS COCO (§6, §7.2)."""
    preset = passd_voc(name, model)
    return dataclasses.replace(
        preset,
        name=f"{name}-coco",
        model=dataclasses.replace(model, box_scales=COCO_SCALES),
        optim=dataclasses.replace(preset.optim, lr=2e-3, epochs=120, steps=(80, 100)),
        nms="gaussian",
    )


PASSD_VOC = [passd_voc(name, model) for name, model in PASSD_MODELS.items()]

# From scratch, in an hour on two CPU cores, on a few hundred micrographs: AdamW and a cosine converge in a tenth of the
# paper's epochs; the smallest default box is 24 px, as platelets are; cells keep roughly their size and have no up or down.
# A picture holds twenty touching cells with dozens of good boxes each: the paper's 200 candidates would be copies of the
# clearest ten (AP50 on the validation split 0.43 with 200, 0.55 with 800).
PASSD_320_MOBILENET_BCCD = Preset(
    "passd-320-mobilenet-bccd",
    PASSDConfig("mobilenet", 320, box_size=3.0, max_candidates=1000),
    OptimConfig(
        optimizer="adamw",
        lr=2e-3,
        weight_decay=0.05,
        batch_size=8,
        epochs=50,
        warmup_epochs=0.5,
        schedule="cosine",
        clip_grad_norm=10.0,
        ema=0.99,
    ),
    AugmentConfig(expand_probability=0.3, expand_max=1.5, crop_min=0.5, vertical_flip=0.5),
)

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


RETINANETS = [preset for family, branches in RETINANET_FAMILIES.items() for preset in retinanet_family(family, branches)]
MULTISCALE = [
    retinanet_multiscale(preset)
    for preset in RETINANETS
    if preset.name in ("retinanet-fsaf-resnet101", "retinanet-fsaf-resnext101")
]

PRESETS = {
    preset.name: preset
    for preset in (
        *PASSD_VOC,
        *(passd_coco(name, model) for name, model in PASSD_MODELS.items()),
        PASSD_320_MOBILENET_BCCD,
        *RETINANETS,
        *MULTISCALE,
    )
}


def find_preset(name: str) -> Preset:
    """The preset called `name`."""
    if name not in PRESETS:
        raise PresetError(f"no preset {name!r}; there are: {', '.join(sorted(PRESETS))}")
    return PRESETS[name]


def preset_from_json(text: str) -> Preset:
    """The inverse of `Preset.to_json`."""
    fields = json.loads(text)
    kinds = fields.pop("kinds", {})
    for name, configs in CONFIGS.items():
        kind = next(config for config in configs if config.__name__ == kinds.get(name, configs[0].__name__))
        fields[name] = kind(**_tuples(fields[name]))
    return Preset(**fields | {"optim": OptimConfig(**_tuples(fields["optim"]))})


def _tuples(fields: dict[str, Any]) -> dict[str, Any]:
    return {key: _tuple(value) for key, value in fields.items()}


def _tuple(value: Any) -> Any:
    return tuple(_tuple(element) for element in value) if isinstance(value, list) else value
