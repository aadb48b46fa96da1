"""All presets by name."""

from models.presets.passd import PASSD_320_MOBILENET_FINETUNE, PASSD_MODELS, PASSD_VOC, passd_coco
from models.presets.preset import Preset, PresetError
from models.presets.retinanet import MULTISCALE, RETINANETS

PRESETS = {
    preset.name: preset
    for preset in (
        *PASSD_VOC,
        *(passd_coco(name, model) for name, model in PASSD_MODELS.items()),
        PASSD_320_MOBILENET_FINETUNE,
        *RETINANETS,
        *MULTISCALE,
    )
}


def find_preset(name: str) -> Preset:
    """The preset with this name."""
    if name not in PRESETS:
        raise PresetError(f"no preset {name!r}; there are: {', '.join(sorted(PRESETS))}")
    return PRESETS[name]
