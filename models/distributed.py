"""Processes that train one model together, started by torchrun: gloo on CPUs, NCCL on GPUs, on one machine or many.

Each process takes its share of every batch. Sums over a batch, such as the number of positives and the statistics of
batch norm, are sums over all processes, so that N processes train like one process with the same batches.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

PATIENCE = timedelta(hours=2)  # other processes wait while the first one evaluates


@contextmanager
def process_group(device: str) -> Iterator[str]:
    """Join the processes of torchrun, if it started this one; yields the device of this process."""
    if not dist.is_torchelastic_launched():
        yield device
        return
    kind = torch.device(device).type
    dist.init_process_group("nccl" if kind == "cuda" else "gloo", timeout=PATIENCE)
    try:
        if kind == "cuda":
            device = f"cuda:{dist.get_node_local_rank()}"
            torch.cuda.set_device(device)
        yield device
    finally:
        dist.destroy_process_group()


def rank() -> int:
    """The number of this process, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def num_processes() -> int:
    return dist.get_world_size() if dist.is_initialized() else 1


def is_first() -> bool:
    """Whether this is the process that writes files, evaluates and shows progress."""
    return rank() == 0


class _Sum(torch.autograd.Function):
    """The sum of a tensor over all processes; its gradient is also summed over all processes."""

    @staticmethod
    def forward(_: Any, tensor: Tensor) -> Tensor:
        total = tensor.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(_: Any, *gradients: Tensor) -> Tensor:
        return _Sum.forward(None, gradients[0])


def sum_over_processes(tensor: Tensor) -> Tensor:
    """The sum of a tensor over all processes; gradients pass through it."""
    if num_processes() == 1:
        return tensor
    apply: Callable[[Tensor], Tensor] = _Sum.apply
    return apply(tensor)


def broadcast(content: Any) -> Any:
    """The content of the first process, in all processes."""
    if num_processes() == 1:
        return content
    box = [content]
    dist.broadcast_object_list(box)
    return box[0]


def broadcast_tensors(tensors: Iterable[Tensor]) -> None:
    """Give these tensors the values that they have in the first process."""
    if num_processes() == 1:
        return
    for tensor in tensors:
        dist.broadcast(tensor.detach(), src=0)
