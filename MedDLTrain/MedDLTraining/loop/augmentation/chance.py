"""Everything that augmentation draws, from one seed."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ...plan import Effect


class Draws:
    """Random numbers for one batch. Parameters are drawn on the CPU, so that they are the same on every device."""

    def __init__(self, seed: int, device: torch.device | str = "cpu") -> None:
        self.device = torch.device(device)
        self._parameters = torch.Generator().manual_seed(seed)
        self._fields = torch.Generator(self.device).manual_seed(seed + 1)

    def uniform(self, shape: Sequence[int], low: float, high: float) -> Tensor:
        """``shape`` float32 in [low, high), on the device."""
        return (low + (high - low) * torch.rand(tuple(shape), generator=self._parameters)).to(self.device)

    def chosen(self, count: int, probability: float) -> Tensor:
        """Indices of those of ``count`` that an effect meets, on the device."""
        met = torch.rand(count, generator=self._parameters) < probability
        return met.nonzero()[:, 0].to(self.device)

    def strengths(self, count: int, effect: Effect) -> Tensor:
        """``(count,)`` within the effect's bounds."""
        return self.uniform((count,), effect.low, effect.high)

    def normal(self, shape: Sequence[int]) -> Tensor:
        """``shape`` of the standard normal distribution, made on the device."""
        return torch.randn(tuple(shape), generator=self._fields, device=self.device)
