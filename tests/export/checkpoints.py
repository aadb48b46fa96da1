"""Checkpoints of small models that were not trained."""

from pathlib import Path
from typing import Any

import torch

from export.graph import fold_and_round
from models.evaluation.torch_engine import TorchEngine
from models.presets.preset import Preset
from models.training.checkpoint import load_model, write_checkpoint
from service.detection.fit import fit
from tests.models.pictures import CLASSES, draw

SIZE = 128  # side of the models' input, in pixels


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


def open_in_torch(checkpoint: Path) -> TorchEngine:
    """A checkpoint's model in torch, with the weights that a bundle holds."""
    model = load_model(checkpoint).model
    fold_and_round(model)
    return TorchEngine(model)
