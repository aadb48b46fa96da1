"""Checkpoints: files with tensors, numbers and strings only; a checkpoint is written completely or not at all."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from models.detector import Detector
from models.presets.preset import Preset, preset_from_json
from models.replacing import replacing

FORMAT = 1


class CheckpointError(Exception):
    """A file that is not a checkpoint of this package; the message names it and the remedy."""


def write_checkpoint(path: Path, content: dict[str, Any]) -> None:
    """Write a checkpoint; a killed run leaves the previous one intact. Raises OSError if the disk is full."""
    try:
        with replacing(path, "wb") as file:
            torch.save({"format": FORMAT} | content, file)
    except RuntimeError as error:  # of torch's zip writer, if a write failed
        reason: BaseException | None = error
        while reason and not isinstance(reason, OSError):
            reason = reason.__context__
        if not isinstance(reason, OSError):
            raise
        raise OSError(f"{path}: {reason.strerror}: it was not written, and the previous one is intact") from error


def read_checkpoint(path: Path) -> dict[str, Any]:
    """The content of a checkpoint, on the CPU."""
    if not path.is_file():
        raise CheckpointError(
            f"{path}: no such file; `python -m models train` writes best.pt and last.pt into its --out folder"
        )
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load passes on any error of the unpickler or the zip reader
        raise CheckpointError(
            f"{path}: not a readable checkpoint ({type(error).__name__}); train again or copy it again"
        ) from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise CheckpointError(f"{path}: not a checkpoint of this version; train again with `python -m models train`")
    return content


def preset_of(content: Mapping[str, Any], path: Path) -> Preset:
    """The preset in the content of the file at `path`."""
    with _versions(path):
        return preset_from_json(content["preset"])


@contextmanager
def _versions(path: Path) -> Iterator[None]:
    """Say which file has fields or tensors that this version does not know."""
    try:
        yield
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(
            f"{path}: written by another version of this package ({reason}); use that version or train again"
        ) from error


@dataclass(frozen=True)
class TrainedModel:
    """A model in evaluation mode, and its origin."""

    model: Any
    preset: Preset
    classes: tuple[str, ...]
    data_set: str
    golden: torch.Tensor
    """The first image of the validation set, or of the training set if there was no validation set.

    uint8 (H, W, 3) RGB at the input size.
    """
    path: Path
    """The file of the checkpoint."""


def load_model(path: Path) -> TrainedModel:
    """The model of a checkpoint, with averaged weights if the checkpoint has them."""
    content = read_checkpoint(path)
    preset = preset_of(content, path)
    with _versions(path):
        classes = tuple(content["classes"])
        model = preset.build(classes)
        model.load_state_dict(content.get("averaged") or content["model"])
    detector: Detector = model.eval()
    return TrainedModel(detector, preset, classes, content["data_set"], content["golden"], path)
