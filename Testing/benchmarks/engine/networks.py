"""Functions that take a network's place: quick, the same in every engine, and dependent on nothing but the patch.

With them an engine is measured without the network, on logits like those of a trained one, or on the worst there are.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from .model import DEVIATION, MEAN
from .scan import BRIGHTEST, NOISE

STEEP, BACKGROUND, LEAST = 8.0, -4.0, -20.0
"""Of ``Anatomy``: loss of logit per class that a value is away, the background's logit, the smallest of a class."""

EVEN = 0.6
"""Classes that the values around a voxel may differ by where it lies within an organ."""


class Anatomy(nn.Module):
    """Logits of a trained network: in each organ its own class leads clearly, around it the background.

    A voxel's smoothed value says which class it is near to. An organ's edge runs through the values of other classes:
    there the largest value of the even surroundings counts.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.register_buffer("levels", torch.arange(classes, dtype=torch.float32).view(1, -1, 1, 1, 1))
        self._step = BRIGHTEST / (classes - 1)

    def forward(self, image: Tensor) -> Tensor:
        """``(B, 1, d0, d1, d2)`` -> ``(B, classes, d0, d1, d2)``."""
        value = _smooth(image * (DEVIATION / self._step) + MEAN / self._step)
        change = _largest(value, 3) + _largest(-value, 3)
        value = _largest(value.masked_fill(change > EVEN, LEAST), 7)
        logits = (value - self.levels).abs_().mul_(-STEEP).clamp_(min=LEAST)
        logits[:, 0] = BACKGROUND
        return logits


class Noise(nn.Module):
    """The worst logits: every class is nearly tied everywhere, and the leader changes from voxel to voxel.

    Random sums of eight copies of the image's noise, each shifted by another voxel.
    """

    SHIFTS = tuple((a, b, c) for a in (0, 1) for b in (0, 1) for c in (0, 1))

    def __init__(self, classes: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.register_buffer("weights", torch.randn(classes, len(self.SHIFTS), generator=generator))

    def forward(self, image: Tensor) -> Tensor:
        """``(B, 1, d0, d1, d2)`` -> ``(B, classes, d0, d1, d2)``."""
        rough = ((image - _smooth(image)) * (DEVIATION / NOISE["noise"])).clamp_(-3, 3)
        copies = torch.cat([rough.roll(shift, (2, 3, 4)) for shift in self.SHIFTS], dim=1)
        return (self.weights @ copies.flatten(2)).unflatten(2, image.shape[2:])


def _smooth(image: Tensor) -> Tensor:
    return functional.avg_pool3d(image, 3, 1, 1, count_include_pad=False)


def _largest(image: Tensor, width: int) -> Tensor:
    """Of the ``width`` x ``width`` x ``width`` voxels around each."""
    for kernel in ((width, 1, 1), (1, width, 1), (1, 1, width)):
        padding = (kernel[0] // 2, kernel[1] // 2, kernel[2] // 2)
        image = functional.max_pool3d(image, kernel, 1, padding)
    return image


STAND_INS: dict[str, type[Anatomy | Noise]] = {"anatomy": Anatomy, "noise": Noise}
