"""Two variants of batch norm: synchronised over all training processes, and frozen at the pretrained statistics."""

from typing import Any

import torch
from torch import Tensor, nn

from models.distributed import sum_over_processes


class SynchronisedBatchNorm2d(nn.BatchNorm2d):
    """Batch norm with the statistics of the whole batch over all processes; torch has this only for GPUs."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same."""
        if not self.training:
            return super().forward(x)
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        values = x.to(torch.promote_types(x.dtype, torch.float32))
        count = sum_over_processes(torch.tensor(float(x.numel() // x.shape[1]), device=x.device))
        mean = sum_over_processes(values.sum(dim=(0, 2, 3))) / count
        centred = values - mean.view(1, -1, 1, 1)
        variance = sum_over_processes(centred.square().sum(dim=(0, 2, 3))) / count
        with torch.no_grad():
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * count / (count - 1), self.momentum)
        scale = self.weight * (variance + self.eps).rsqrt()
        return (centred * scale.view(1, -1, 1, 1) + self.bias.view(1, -1, 1, 1)).to(x.dtype)


def synchronise_batch_norm(module: nn.Module) -> None:
    """Replace each batch norm inside `module` by a synchronised one with the same weights and statistics."""
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm2d):
            kind = nn.SyncBatchNorm if child.weight.is_cuda else SynchronisedBatchNorm2d
            synchronised = kind(child.num_features, child.eps, child.momentum).to(child.weight)
            synchronised.load_state_dict(child.state_dict())
            setattr(module, name, synchronised)
        else:
            synchronise_batch_norm(child)


class FrozenBatchNorm2d(nn.Module):
    """x * scale + shift by channel, as batch norm in evaluation mode; nothing in it is trained.

    Two images on a GPU are too few for statistics, so Detectron keeps those of ImageNet. The names are torchvision's.
    Weight and bias are parameters without gradient: they count as parameters, but no optimizer changes them.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(channels), requires_grad=False)
        self.bias = nn.Parameter(torch.zeros(channels), requires_grad=False)
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, features: Tensor) -> Tensor:
        """features (B, C, H, W) -> (B, C, H, W)."""
        scale = self.weight * (self.running_var + self.eps).rsqrt()
        shift = self.bias - self.running_mean * scale
        return features * scale.view(-1, 1, 1).to(features.dtype) + shift.view(-1, 1, 1).to(features.dtype)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *arguments: Any) -> None:
        state_dict.pop(f"{prefix}num_batches_tracked", None)  # only nn.BatchNorm2d has this buffer
        super()._load_from_state_dict(state_dict, prefix, *arguments)


def freeze_batch_norm(module: nn.Module) -> None:
    """Replace each batch norm inside `module` by a frozen one with the same weights and statistics."""
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm2d):
            setattr(module, name, frozen(child))
        else:
            freeze_batch_norm(child)


def frozen(norm: nn.BatchNorm2d) -> FrozenBatchNorm2d:
    """A frozen batch norm with the same weights and statistics."""
    copy = FrozenBatchNorm2d(norm.num_features, norm.eps).to(norm.weight.device)
    copy.load_state_dict(norm.state_dict())
    return copy.train(norm.training)
