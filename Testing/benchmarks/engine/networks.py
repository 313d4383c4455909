"""Functions that take a network's place: quick, the same in every engine, and dependent on nothing but the patch.

With them an engine is measured without the network, on logits like those of a trained one, or on the worst there are.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from .model import DEVIATION, MEAN
from .scan import BRIGHTEST, NOISE

FEATURES = 32
"""Channels before the last layer, as nnU-Net's networks have them at full resolution; it makes the logits of them."""

EVEN = 0.6
"""Classes that the values around a voxel may differ by where it lies within an organ."""

STEEP, BACKGROUND = 2.4, 15.0
"""Of ``Anatomy``: the factor of its waves in a logit, the background's logit."""


class Anatomy(nn.Module):
    """Logits of a trained network: in each organ its own class leads clearly, around it the background.

    A voxel's smoothed value says which class it is near to. Its features are waves along the row of classes, of which
    the last layer makes a peak for each class. An organ's edge runs through the values of other classes: there the
    features are 0, but for what the even surroundings have, and the background leads.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self._step = BRIGHTEST / (classes - 1)
        waves = torch.arange(1, min((FEATURES - 1) // 2, (classes + 1) // 2) + 1) * (2 * math.pi / (classes + 2))
        self.register_buffer("waves", waves.view(1, -1, 1, 1, 1))
        self.last = nn.Conv3d(2 * len(waves) + 1, classes, 1)
        angles = torch.arange(classes)[:, None] * waves
        weight = torch.cat([torch.ones(classes, 1), 2 * angles.cos(), 2 * angles.sin()], dim=1) * STEEP
        weight[0] = 0
        with torch.no_grad():
            self.last.weight.copy_(weight[..., None, None, None])
            self.last.bias.copy_(torch.tensor([BACKGROUND] + [0.0] * (classes - 1)))

    def forward(self, image: Tensor) -> Tensor:
        """``(B, 1, d0, d1, d2)`` -> ``(B, classes, d0, d1, d2)``."""
        value = _smooth(image * (DEVIATION / self._step) + MEAN / self._step)
        change = _largest(value, 3) + _largest(-value, 3)
        value = _largest(value.masked_fill(change > EVEN, -1.0), 7)
        organ = (value > 0.5).float()
        angles = value * self.waves
        return self.last(torch.cat([organ, angles.cos().mul_(organ), angles.sin().mul_(organ)], dim=1))


class Noise(nn.Module):
    """The worst logits: every class is nearly tied everywhere, and the leader changes from voxel to voxel.

    Random sums of copies of the image's noise, each shifted by another voxel.
    """

    SHIFTS = tuple((a, b, c) for a in range(4) for b in range(4) for c in range(2))

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.last = nn.Conv3d(FEATURES, classes, 1, bias=False)
        weights = torch.randn(classes, FEATURES, generator=torch.Generator().manual_seed(0)) / 2
        with torch.no_grad():
            self.last.weight.copy_(weights[..., None, None, None])

    def forward(self, image: Tensor) -> Tensor:
        """``(B, 1, d0, d1, d2)`` -> ``(B, classes, d0, d1, d2)``."""
        rough = ((image - _smooth(image)) * (DEVIATION / NOISE["noise"])).clamp_(-3, 3)
        return self.last(torch.cat([rough.roll(shift, (2, 3, 4)) for shift in self.SHIFTS], dim=1))


def _smooth(image: Tensor) -> Tensor:
    return functional.avg_pool3d(image, 3, 1, 1, count_include_pad=False)


def _largest(image: Tensor, width: int) -> Tensor:
    """Of the ``width`` x ``width`` x ``width`` voxels around each."""
    for kernel in ((width, 1, 1), (1, width, 1), (1, 1, width)):
        padding = (kernel[0] // 2, kernel[1] // 2, kernel[2] // 2)
        image = functional.max_pool3d(image, kernel, 1, padding)
    return image


STAND_INS: dict[str, type[Anatomy | Noise]] = {"anatomy": Anatomy, "noise": Noise}
