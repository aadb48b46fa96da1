"""Checkpoints of models that no training made."""

from pathlib import Path
from typing import Any

import torch

from models.presets.preset import Preset
from models.training.checkpoint import write_checkpoint
from service.detection.preprocess import fit
from tests.models.pictures import CLASSES, draw


def write_untrained(path: Path, model: Any, preset: Preset) -> Path:
    """Write `model` as one epoch of training on rectangles would."""
    content = {
        "preset": preset.to_json(),
        "classes": list(CLASSES),
        "data_set": "rectangles/train",
        "golden": torch.from_numpy(fit(draw(0).pixels, model.config.input_spec)),
        "epoch": 1,
        "best_ap": 0.0,
        "model": model.state_dict(),
    }
    write_checkpoint(path, content)
    return path
