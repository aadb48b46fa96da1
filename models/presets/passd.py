"""Presets of PASSD."""

import dataclasses

from models.data.ssd_augmentation import AugmentConfig
from models.optim.optimizer import OptimConfig
from models.passd.passd import PASSDConfig
from models.presets.preset import Preset

PASSD_MODELS = {  # PASSD, Tables 4 to 7
    "passd-320-vgg16": PASSDConfig("vgg16", 320),
    "passd-512-vgg16": PASSDConfig("vgg16", 512),
    "passd-320-resnet101": PASSDConfig("resnet101", 320),
    "passd-512-resnet101": PASSDConfig("resnet101", 512),
    "passd-768-resnet101": PASSDConfig("resnet101", 768, num_levels=5),
    "passd-320-mobilenet": PASSDConfig("mobilenet", 320, backbone_activation="relu6"),
    "passd-320-vgg16bn": PASSDConfig("vgg16bn", 320),
}

COCO_SCALES = (2 ** (-1 / 3), 1.0, 2 ** (1 / 3))  # PASSD, footnote 3


def passd_voc(name: str, model: PASSDConfig) -> Preset:
    """PASSD as trained and evaluated on Pascal VOC (§6, §7.1); the batch size at 768 pixels is that of footnote 4.

    The base networks are pretrained on ImageNet (§6.1), but VGG-16-BN, the model of §7.3.2, is trained from scratch.
    """
    init = "none" if model.backbone == "vgg16bn" else "imagenet"
    return Preset(name, model, OptimConfig(batch_size=24 if model.input_size == 768 else 32), init=init, nms="hard")


def passd_coco(name: str, model: PASSDConfig) -> Preset:
    """PASSD as trained and evaluated on MS COCO (§6, §7.2)."""
    preset = passd_voc(name, model)
    return dataclasses.replace(
        preset,
        name=f"{name}-coco",
        model=dataclasses.replace(model, box_scales=COCO_SCALES),
        optim=dataclasses.replace(preset.optim, lr=2e-3, epochs=120, steps=(80, 100)),
        best_by="AP50:95",
        nms="gaussian",
    )


PASSD_VOC = [passd_voc(name, model) for name, model in PASSD_MODELS.items()]


# For one's own data: hundreds to thousands of images, minutes to an hour on a CPU. AdamW and a cosine converge in a
# tenth of the paper's epochs. The first stage of MobileNet keeps ImageNet's edges and colours: if it is trained too, a
# step on a CPU takes 1.7 times as long. The zooms are milder than the paper's, which make objects of all sizes. A large
# object has dozens of good boxes: in dense scenes the paper's 200 candidates would be copies of the ten clearest
# objects.
PASSD_320_MOBILENET_FINETUNE = Preset(
    "passd-320-mobilenet-finetune",
    dataclasses.replace(
        PASSD_MODELS["passd-320-mobilenet"], num_frozen_stages=1, min_negatives=16, max_candidates=1000
    ),
    OptimConfig(
        optimizer="adamw",
        lr=1e-3,
        weight_decay=0.05,
        batch_size=8,
        epochs=30,
        warmup_epochs=1.0,
        warmup_steps=100,
        schedule="cosine",
        clip_grad_norm=10.0,
        ema=0.99,
    ),
    AugmentConfig(expand_probability=0.3, expand_max=2.0, crop_min=0.5),
    init="imagenet",
)
