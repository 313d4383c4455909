"""Patch and network for a data set: as deep as the patch allows, as wide as the budget does (after nnU-Net's rules)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from MedDLCore.spec import Network, Triple

SMALLEST_EDGE = 4
"""An axis is halved while it then still has so many voxels."""

MOST_STAGES = 6
MOST_FEATURES = 320
WIDTHS = (32, 24, 16, 12, 8)
"""Features of the first stage."""

LARGEST_PATCH = 160**3
"""Voxels; a larger patch is no better on any benchmark that is known."""


@dataclass(frozen=True)
class Architecture:
    """A network for a patch.

    Attributes:
        patch: voxels along network axes 0, 1, 2; a multiple of every stride's product.
        spacing: mm along them.
        strides, kernels: of each stage.
    """

    patch: Triple
    spacing: tuple[float, float, float]
    strides: tuple[Triple, ...]
    kernels: tuple[Triple, ...]

    def network(self, width: int, inputs: int, outputs: int) -> Network:
        """The plain convolutional U-Net of nnU-Net with so many features in its first stage.

        For patches of one slice it is one of two dimensions: the same function, in half the time of flat kernels.
        """
        features = [min(MOST_FEATURES, width * 2**n) for n in range(len(self.strides))]
        axes = [axis for axis, n in enumerate(self.patch) if n > 1 or self.patch.count(1) != 1]
        return Network(
            "StagedUNet",
            {
                "inputs": inputs,
                "outputs": outputs,
                "features": features,
                "kernels": [[kernel[axis] for axis in axes] for kernel in self.kernels],
                "strides": [[stride[axis] for axis in axes] for stride in self.strides],
                "blocks": [2] * len(self.strides),
                "decoder_blocks": [2] * (len(self.strides) - 1),
                "norm": "instance",
                "norm_arguments": {"eps": 1e-5, "affine": True},
                "activation": "LeakyReLU",
                "activation_arguments": {"inplace": True},
            },
        )

    @property
    def smaller(self) -> Architecture | None:
        """The next smaller patch; None where there is none."""
        steps = np.prod(np.array(self.strides), axis=0)
        sizes = np.array(self.patch)
        can = sizes - steps >= np.maximum(2 * SMALLEST_EDGE, steps)
        if not can.any():
            return None
        axis = int(np.argmax(np.where(can, sizes, 0)))
        target = [int(n) - (int(steps[axis]) if k == axis else 0) for k, n in enumerate(sizes)]
        return architecture_for(target, self.spacing)


def architecture_for(shape: Sequence[int], spacing: Sequence[float]) -> Architecture:
    """Strides, kernels and the patch for about so many voxels.

    An axis is halved from stage to stage while it is long enough and its voxels are not yet more than twice as long as
    the shortest ones; until then its kernels are flat along it.

    Args:
        shape: voxels along network axes 0, 1, 2; rounded to what the strides need. Rounded up, the patch of a small
            scan is a third surroundings, which take time and teach nothing.
        spacing: mm.
    """
    size, mm = np.array(shape, dtype=float), np.array(spacing, dtype=float)
    strides, kernels = [(1, 1, 1)], [_kernel(mm, size)]
    while len(strides) < MOST_STAGES:
        near = mm < 2 * mm[size >= 2 * SMALLEST_EDGE].min() if (size >= 2 * SMALLEST_EDGE).any() else mm < 0
        halved = near & (size >= 2 * SMALLEST_EDGE)
        if not halved.any():
            break
        a, b, c = (2 if yes else 1 for yes in halved)
        size, mm = size / (a, b, c), mm * (a, b, c)
        strides.append((a, b, c))
        kernels.append(_kernel(mm, size))
    steps = np.prod(np.array(strides), axis=0)
    a, b, c = (int(max(1, round(n / step)) * step) for n, step in zip(shape, steps, strict=True))
    x, y, z = (float(v) for v in spacing)
    return Architecture((a, b, c), (x, y, z), tuple(strides), tuple(kernels))


def first_patch(shape: Sequence[int]) -> tuple[int, int, int]:
    """The median shape, or as large a part of it as is worth it; the longest axes are cut first."""
    sizes = [int(n) for n in shape]
    while np.prod(sizes) > LARGEST_PATCH:
        sizes[sizes.index(max(sizes))] -= 8
    a, b, c = sizes
    return a, b, c


def _kernel(mm: np.ndarray, size: np.ndarray) -> Triple:
    """3 along each axis, but 1 where voxels are still twice as long as the shortest, or there is one voxel only."""
    a, b, c = (
        1 if length >= 2 * mm[size > 1].min(initial=np.inf) or n <= 1 else 3 for length, n in zip(mm, size, strict=True)
    )
    return a, b, c
