"""A running average of a model's weights; the average lies in a flatter minimum and generalises better."""

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


class WeightAverage:
    """An exponential moving average of parameters and buffers.

    Its decay is lower during the first updates, so that it forgets the initial weights quickly.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.state: dict[str, Tensor] = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
        self.num_updates = 0

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Move towards the model's current weights; integer counters are copied."""
        self.num_updates += 1
        decay = min(self.decay, (1 + self.num_updates) / (10 + self.num_updates))
        current = model.state_dict()
        averaged = [name for name, tensor in current.items() if tensor.is_floating_point()]
        # One call for all tensors, which is a few launches on a GPU instead of hundreds.
        average = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
        average([self.state[name] for name in averaged], [current[name] for name in averaged], self.num_updates)
        for name in current.keys() - averaged:
            self.state[name].copy_(current[name])

    def restore(self, state: dict[str, Tensor], num_updates: int) -> None:
        """Continue from a saved average."""
        for name, tensor in state.items():
            self.state[name].copy_(tensor)
        self.num_updates = num_updates
