"""Trains two small networks for two steps, in one process or in two that divide each batch between them."""

import multiprocessing
import sys
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from models.backbones.build import build_backbone
from models.data.loader import TrainingImages, training_batches
from models.data.open import open_data_set
from models.distributed import num_processes, rank
from models.presets.catalogue import find_preset
from models.presets.overrides import override
from models.training.run_state import Run, new_run, parallel
from models.training.train import add_gradients

PRESET = override(
    find_preset("retinanet-320-mobilenet"),
    [
        *("model.input_size=64", "model.channels=16", "model.tower_depth=1"),
        *("optim.optimizer=sgd", "optim.batch_size=3", "optim.lr=0.001", "optim.ema=0.9", "optim.precision=fp32"),
    ],
)
NORMS = ("frozen", "batch")
"""The kinds of batch norm; a network is trained with each of them."""


class InDouble(nn.Module):
    """Computes in float64, so that the sums of one process and of two differ by less than anything else does."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Any:
        return self.network(images.double())


def write_init(path: Path) -> Path:
    """A file of initial weights for MobileNet whose statistics are not those of a new network."""
    torch.manual_seed(5)
    backbone = build_backbone("mobilenet", 3, "none")
    for name, buffer in backbone.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_(0, 0.1)
        elif name.endswith("running_var"):
            buffer.uniform_(0.5, 2)
    weights = {f"backbone.{name}": tensor for name, tensor in backbone.state_dict().items()}
    torch.save({"format": 1, "model": weights}, path)
    return path


def train_steps(tree: Path, init: Path, out: Path) -> None:
    """Train each network for an epoch of two steps; write its state at the start and the end, and its losses."""
    torch.set_default_dtype(torch.float64)
    train_set = open_data_set(tree, "train")
    for norm in NORMS:
        preset = override(PRESET, [f"model.backbone_norm={norm}", f"init={init}"])
        run = new_run(preset, train_set.classes, "cpu", pretrained=True)
        start = state_of(run)
        forward = InDouble(parallel(run.model)).train()
        images = TrainingImages(train_set, preset.model.input_spec, preset.augment, preset.seed)
        losses = []
        for batch in training_batches(
            images, range(1), preset.optim.batch_size, 0, share=rank(), num_shares=num_processes()
        ):
            run.optimizer.zero_grad()
            losses.append(add_gradients(forward, run.model, batch, preset.optim, "cpu"))
            run.optimizer.step()
            assert run.average
            run.average.update(run.model)
        torch.save({"start": start, "end": state_of(run), "losses": losses}, out / f"{norm}-{rank()}.pt")


def state_of(run: Run) -> dict[str, Tensor]:
    """A copy of the parameters, the buffers and their averages."""
    assert run.average
    averages = {f"average.{name}": tensor for name, tensor in run.average.state.items()}
    return {name: tensor.clone() for name, tensor in (run.model.state_dict() | averages).items()}


def train_together(rank: int, folder: Path) -> None:
    """Train as one of two processes, with `tree`, `init.pt` and the results in `two` of a folder."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", f"file://{folder / 'store'}", rank=rank, world_size=2)
    try:
        train_steps(folder / "voc", folder / "init.pt", folder / "two")
    finally:
        dist.destroy_process_group()


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    second = multiprocessing.get_context("fork").Process(target=train_together, args=(1, folder), daemon=True)
    second.start()
    train_together(0, folder)
    second.join()
    sys.exit(second.exitcode)
