"""Presets: named, complete recipes. A preset is a Python value; an experiment is a diff (`--set optim.lr=0.002`)."""

import dataclasses
import json
from dataclasses import dataclass
from typing import Any, Literal

from models.passd import PASSD, PASSDConfig
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


@dataclass(frozen=True)
class OptimConfig:
    """SGD with warm-up and steps (PASSD §6.1, §7.1), or AdamW and a cosine for short runs from scratch."""

    optimizer: Literal["sgd", "adamw"] = "sgd"
    lr: float = 4e-3
    momentum: float = 0.9
    weight_decay: float = 5e-4
    batch_size: int = 32
    epochs: int = 250
    warmup_epochs: float = 5.0
    warmup_lr: float = 1e-6
    schedule: Literal["step", "cosine"] = "step"
    steps: tuple[int, ...] = (150, 200)  # epochs at which the rate is divided by 10
    clip_grad_norm: float = 0.0  # 0 turns it off
    ema: float = 0.0  # decay of an average of the weights, which is then what is evaluated and exported; 0 turns it off

    def __post_init__(self) -> None:
        for name in ("lr", "batch_size", "epochs"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0, not {getattr(self, name)}")
        if not 0 <= self.ema < 1:
            raise ValueError(f"ema must be at least 0 and below 1, not {self.ema}")


@dataclass(frozen=True)
class Preset:
    """A model, and how it is trained."""

    name: str
    model: PASSDConfig
    optim: OptimConfig = OptimConfig()
    augment: AugmentConfig = AugmentConfig()
    evaluate_every: int = 5  # epochs
    seed: int = 0
    init: str = "none"  # the base network's weights at the start: imagenet, none or a file
    nms: Method = "gaussian"  # what AP is measured with

    def build(self, classes: tuple[str, ...]) -> PASSD:
        """The model, freshly initialised."""
        try:
            return PASSD(self.model, classes)
        except ValueError as error:
            raise PresetError(f"{self.name}: {error}") from error

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self))


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


def passd_coco(preset: Preset) -> Preset:
    """The same as it was trained and measured on MS COCO (§6, §7.2)."""
    return dataclasses.replace(
        preset,
        name=f"{preset.name}-coco",
        model=dataclasses.replace(preset.model, box_scales=COCO_SCALES),
        optim=dataclasses.replace(preset.optim, lr=2e-3, epochs=120, steps=(80, 100)),
        nms="gaussian",
    )


PASSD_VOC = [passd_voc(name, model) for name, model in PASSD_MODELS.items()]

# From scratch, in an hour on two CPU cores, on a few hundred micrographs: AdamW and a cosine converge in a tenth of the
# paper's epochs; the smallest default box is 24 px, as platelets are; cells keep roughly their size and have no up or down.
PASSD_320_MOBILENET_BCCD = Preset(
    "passd-320-mobilenet-bccd",
    PASSDConfig("mobilenet", 320, box_size=3.0),
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

PRESETS = {
    preset.name: preset for preset in (*PASSD_VOC, *(passd_coco(preset) for preset in PASSD_VOC), PASSD_320_MOBILENET_BCCD)
}


def find_preset(name: str) -> Preset:
    """The preset called `name`."""
    if name not in PRESETS:
        raise PresetError(f"no preset {name!r}; there are: {', '.join(sorted(PRESETS))}")
    return PRESETS[name]


def preset_from_json(text: str) -> Preset:
    """The inverse of `Preset.to_json`."""
    fields = json.loads(text)
    return Preset(
        **fields
        | {
            "model": PASSDConfig(**_tuples(fields["model"])),
            "optim": OptimConfig(**_tuples(fields["optim"])),
            "augment": AugmentConfig(**fields["augment"]),
        }
    )


def _tuples(fields: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in fields.items()}
