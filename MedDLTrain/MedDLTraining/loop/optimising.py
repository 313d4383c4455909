"""Optimiser, learning rate, and the moving average of the weights."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ..plan import Optimiser, Plan


def optimiser_of(network: nn.Module, settings: Optimiser) -> torch.optim.Optimizer:
    """The optimiser of the weights that are trained. Biases and normalisations are not decayed by ``adamw``."""
    trained = [p for p in network.parameters() if p.requires_grad]
    if settings.kind == "sgd":
        return torch.optim.SGD(
            trained,
            settings.rate,
            momentum=settings.momentum,
            weight_decay=settings.weight_decay,
            nesterov=settings.momentum > 0,
        )
    if settings.kind == "adam":
        return torch.optim.Adam(trained, settings.rate, weight_decay=settings.weight_decay)
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": settings.weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([group for group in groups if group["params"]], settings.rate)


def rate_at(plan: Plan, iteration: int) -> float:
    """The learning rate of an iteration, counted from 0 over all epochs."""
    schedule, total = plan.schedule, plan.iterations * plan.epochs
    warm = round(schedule.warm_up * total)
    if iteration < warm:
        return plan.optimiser.rate * (iteration + 1) / warm
    t = (iteration - warm) / (total - warm)
    if schedule.kind == "constant":
        return plan.optimiser.rate
    if schedule.kind == "cosine":
        return plan.optimiser.rate * 0.5 * (1 + math.cos(math.pi * t))
    return float(plan.optimiser.rate * (1 - t) ** schedule.power)


class Average:
    """An exponential moving average of a network's weights (Polyak & Juditsky 1992).

    Attributes:
        state: a state dict; what is no floating-point number is the network's own.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.state: dict[str, Tensor] = {key: value.detach().clone() for key, value in network.state_dict().items()}
        self._decay, self._steps = decay, 0

    def follow(self, network: nn.Module) -> None:
        """Takes a step towards the network's weights; larger ones at first, when the average knows little."""
        self._steps += 1
        decay = min(self._decay, self._steps / (self._steps + 10))
        with torch.no_grad():
            for key, value in network.state_dict().items():
                if value.is_floating_point():
                    self.state[key].lerp_(value, 1 - decay)
                else:
                    self.state[key].copy_(value)

    def to_save(self) -> dict[str, object]:
        """What ``restore`` takes."""
        return {"state": self.state, "steps": self._steps}

    def restore(self, saved: Mapping[str, object]) -> None:
        """Goes on where another left off."""
        state, steps = saved["state"], saved["steps"]
        if not isinstance(state, dict) or not isinstance(steps, int):
            raise TypeError("not a moving average")
        for key, value in state.items():
            self.state[key].copy_(value)
        self._steps = steps
