"""Checkpoints of small untrained models."""

from pathlib import Path

import torch

from models.presets.catalogue import find_preset
from models.presets.overrides import override
from models.training.checkpoint import write_checkpoint
from tests.models.pictures import CLASSES


def write_untrained(path: Path, preset_name: str, settings: list[str]) -> Path:
    """Write the checkpoint of a preset before its first step, always with the same weights."""
    preset = override(find_preset(preset_name), settings)
    torch.manual_seed(0)
    content = {
        "preset": preset.to_json(),
        "classes": list(CLASSES),
        "data_set": "voc/train",
        "golden": torch.zeros(64, 64, 3, dtype=torch.uint8),
        "model": preset.build(CLASSES).state_dict(),
    }
    write_checkpoint(path, content)
    return path
